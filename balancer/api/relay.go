package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

// Request is a request to the API as it travels to another host's daemon.
type Request struct {
	Method, Path string
	Body         []byte
}

// Answer is what that daemon's API answers.
type Answer struct {
	Status int
	Body   []byte
}

// Elsewhere asks the daemons of other hosts.
type Elsewhere interface {
	// Relay has the daemon of a host, by name or UUID, answer a request. It is
	// ErrHere if the host is this one.
	Relay(ctx context.Context, host string, r Request) (Answer, error)
}

// ErrHere says that a request need not be relayed.
var ErrHere = errors.New("this is the host")

// ShowElsewhere lets the API answer for other hosts: what a request with the
// query host=NAME is about.
func (s *Server) ShowElsewhere(e Elsewhere) { s.elsewhere.Store(&e) }

// Answer answers a request that another host's daemon relays. It is about this
// host, whatever it says: nothing is relayed twice.
func (s *Server) Answer(ctx context.Context, r Request) Answer {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.Path, bytes.NewReader(r.Body))
	var a answerWriter
	if err != nil {
		writeError(&a, http.StatusBadRequest, err)
	} else {
		s.mux().ServeHTTP(&a, request)
	}
	return Answer{Status: max(a.status, http.StatusOK), Body: a.body.Bytes()}
}

// relay answers, from elsewhere, requests that are about another host.
func (s *Server) relay(here http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		host := query.Get("host")
		if host == "" {
			here.ServeHTTP(w, r)
			return
		}
		elsewhere := s.elsewhere.Load()
		if elsewhere == nil {
			writeError(w, http.StatusServiceUnavailable, errors.New(*s.waiting.Load()))
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
		if err != nil {
			writeError(w, http.StatusRequestEntityTooLarge, err)
			return
		}
		query.Del("host")
		r.URL.RawQuery = query.Encode()
		a, err := (*elsewhere).Relay(r.Context(), host, Request{Method: r.Method, Path: r.URL.RequestURI(), Body: body})
		switch {
		case errors.Is(err, ErrHere):
			r.Body = io.NopCloser(bytes.NewReader(body))
			here.ServeHTTP(w, r)
		case err != nil:
			writeError(w, http.StatusBadGateway, err)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(a.Status)
			_, _ = w.Write(a.Body) // the client has gone: nobody to tell
		}
	})
}

// bodyMax bounds a request: an order of a few hundred bytes.
const bodyMax = 64 << 10

// answerWriter keeps an answer.
type answerWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerWriter) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *answerWriter) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answerWriter) Write(p []byte) (int, error) { return a.body.Write(p) }
