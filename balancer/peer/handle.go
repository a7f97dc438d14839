package peer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync"

	"github.com/virtbalance/virtbalance/balancer/gate"
	"github.com/virtbalance/virtbalance/policy"
)

// ServeHTTP answers one request: who asks, may it ask now, what does it ask,
// and only then the Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := policy.HostID(r.Header.Get(headerFrom))
	if err := uuid("the header "+headerFrom, from); err != nil {
		s.dismiss(w, r, RefusedSender, err)
		return
	}
	if to := policy.HostID(r.Header.Get(headerTo)); to != s.options.Self {
		s.dismiss(w, r, RefusedMisdirected, errors.New("this is host "+string(s.options.Self)))
		return
	}
	if err := s.identify(r, from); err != nil {
		s.dismiss(w, r, RefusedIdentity, err)
		return
	}
	requests := s.requests
	switch r.URL.Path {
	case pathReport, pathExplain, pathRelay, pathPreflight:
		requests = s.reports
	}
	switch requests.Enter(from) {
	case gate.OverOwn:
		s.refuse(w, r, RefusedRequests, errors.New("too many requests of this host"))
		return
	case gate.OverTotal:
		s.refuse(w, r, RefusedRequestsTotal, errors.New("too many requests of all hosts"))
		return
	case gate.Admitted:
		defer requests.Leave(from)
	}
	body, refusal, err := s.read(w, r)
	if err != nil {
		s.refuse(w, r, refusal, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.Handle)
	defer cancel()
	answer, err := s.answer(ctx, r.URL.Path, from, body)
	var malformed *malformedError
	var invalid *invalidError
	var unknown *unknownCallError
	var told *Error
	switch {
	case err == nil:
		s.write(w, http.StatusOK, answer)
	case errors.As(err, &malformed):
		s.refuse(w, r, RefusedMalformed, err)
	case errors.As(err, &invalid):
		s.refuse(w, r, RefusedInvalid, err)
	case errors.As(err, &unknown):
		s.refuse(w, r, RefusedCall, err)
	case errors.As(err, &told):
		s.write(w, told.Status, told)
	default:
		s.write(w, http.StatusServiceUnavailable, &Error{Code: codeUnavailable, Message: printable(err.Error())})
	}
}

// answer decodes the message of a call, checks that it is between the two
// hosts of the request, and has the Handler answer.
func (s *Server) answer(ctx context.Context, path string, from policy.HostID, body []byte) (any, error) {
	h := s.options.Handler
	switch path {
	case pathReserve:
		m, err := decodeRequest[ReserveRequest](body)
		if err == nil {
			err = s.between(m.Move, from)
		}
		if err != nil {
			return nil, err
		}
		reply := h.Reserve(ctx, from, m)
		reply.Detail = printable(reply.Detail)
		return reply, nil
	case pathRenew:
		m, err := decodeRequest[renewRequest](body)
		if err != nil {
			return nil, err
		}
		held, err := h.Renew(ctx, from, m.Op)
		if err == nil && !held {
			e := *ErrUnknownOperation
			e.Status = http.StatusNotFound
			err = &e
		}
		return emptyReply{}, err
	case pathFinish:
		m, err := decodeRequest[FinishRequest](body)
		if err == nil {
			err = s.between(m.Move, from)
		}
		if err != nil {
			return nil, err
		}
		return emptyReply{}, h.Finish(ctx, from, m)
	case pathLocate:
		m, err := decodeRequest[LocateRequest](body)
		if err != nil {
			return nil, err
		}
		presence, err := h.Locate(ctx, from, m)
		if !presence.Known {
			presence = policy.Presence{}
		}
		return locateReply{presence}, err
	case pathAudit:
		m, err := decodeRequest[AuditRequest](body)
		if err == nil {
			err = s.between(m.Move, from)
		}
		if err != nil {
			return nil, err
		}
		audit, err := h.Audit(ctx, from, m)
		return auditReply{audit}, err
	case pathReport:
		m, err := decodeRequest[ReportRequest](body)
		if err != nil {
			return nil, err
		}
		report, err := h.Report(ctx, m)
		cleanReport(&report)
		return ReportReply{report}, err
	case pathPreflight:
		m, err := decodeRequest[preflightRequest](body)
		if err != nil {
			return nil, err
		}
		if err := same("description.source.id", m.Description.Source.ID, headerFrom, from); err != nil {
			return nil, &invalidError{err}
		}
		why, detail := h.Preflight(ctx, m.Description)
		return preflightReply{why, printable(detail)}, nil
	case pathExplain:
		m, err := decodeRequest[explainRequest](body)
		if err != nil {
			return nil, err
		}
		explanation, err := h.ExplainHere(ctx, m.Domain)
		cleanExplanation(&explanation)
		return explainReply{explanation}, err
	case pathRelay:
		return s.relay(ctx, from, body)
	default:
		return nil, &unknownCallError{path}
	}
}

// between checks that a move is from who asks to who is asked.
func (s *Server) between(m policy.Move, from policy.HostID) error {
	if err := first(same("move.from", m.From, headerFrom, from), same("move.to", m.To, headerTo, s.options.Self)); err != nil {
		return &invalidError{err}
	}
	return nil
}

// read reads the body within its limits.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, Refusal, error) {
	if r.Method != http.MethodPost {
		return nil, RefusedCall, errors.New("every call is a POST")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != contentType {
		return nil, RefusedContentType, errors.New("the content type must be " + contentType)
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, RefusedContentType, errors.New("the body must not be encoded")
	}
	tooLarge := errors.New("the body has more than " + strconv.FormatInt(s.limits.Body, 10) + " bytes")
	if r.ContentLength > s.limits.Body {
		return nil, RefusedTooLarge, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.limits.Body))
	var maxBytes *http.MaxBytesError
	switch {
	case errors.As(err, &maxBytes):
		return nil, RefusedTooLarge, tooLarge
	case err != nil:
		return nil, RefusedSlow, err
	}
	return body, 0, nil
}

// dismiss refuses a request that cannot be charged to a host, and with it the
// connection: the next attempt costs its sender one of its connections.
func (s *Server) dismiss(w http.ResponseWriter, r *http.Request, why Refusal, err error) {
	w.Header().Set("Connection", "close")
	s.refuse(w, r, why, err)
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, why Refusal, err error) {
	message := printable(err.Error())
	s.count(why, "remote", r.RemoteAddr, "host", printable(r.Header.Get(headerFrom)), "err", message)
	s.write(w, refusals[why].status, &Error{Code: why.String(), Message: message})
}

// write sends an answer. An answer that cannot be written down (a handler's
// infinite number) is our own fault and said so.
func (s *Server) write(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		s.log.Error("peer answer cannot be encoded", "err", err)
		status = http.StatusInternalServerError
		body = []byte(`{"code":"` + codeUnavailable + `","message":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever is gone does not miss it
}

// identify checks that the certificate of the connection is that of the host
// which asks.
func (s *Server) identify(r *http.Request, from policy.HostID) error {
	if s.options.Insecure {
		return nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	c, ok := r.Context().Value(connectionKey{}).(*connection)
	if !ok {
		return errors.New("no connection")
	}
	if err := c.verify(s.options.Certificates, r); err != nil {
		return err
	}
	return s.options.Identify(r.TLS.PeerCertificates[0], from)
}

type connectionKey struct{}

// connection remembers by which files the client's chain was verified last: a
// connection may outlive them and the certificate that opened it.
type connection struct {
	mu sync.Mutex
	by *verification
}

func (c *connection) verify(certificates *Certificates, r *http.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by.stands(certificates) {
		return nil
	}
	by, err := certificates.verifyClient(r.TLS.PeerCertificates)
	c.by = by
	return err
}

// invalidError is a message whose values are out of bounds.
type invalidError struct{ err error }

func (e *invalidError) Error() string { return e.err.Error() }
func (e *invalidError) Unwrap() error { return e.err }

// unknownCallError is a path that this version does not know.
type unknownCallError struct{ path string }

func (e *unknownCallError) Error() string { return "unknown call " + strconv.Quote(printable(e.path)) }

// decodeRequest decodes, and tells a bad form from a bad value.
func decodeRequest[T message](body []byte) (T, error) {
	m, err := decode[T](body)
	var malformed *malformedError
	if err != nil && !errors.As(err, &malformed) {
		err = &invalidError{err}
	}
	return m, err
}
