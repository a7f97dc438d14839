package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// ClientOptions make a Client.
type ClientOptions struct {
	// Self is this host.
	Self policy.HostID
	// Certificates are required unless Insecure says to ask in clear text.
	Certificates *Certificates
	Insecure     bool

	// Timeout bounds a call whose context has no earlier deadline. Shorter
	// gives up on a target whose pre-flight checks take long; longer holds the
	// caller when a host is gone. Zero is 40 s: what a server takes at most.
	Timeout time.Duration
	// Endpoints is how many hosts are kept connected or asked at once; zero is
	// 128. PerEndpoint is how many calls are made to one host at once, others
	// wait; zero is 4, as many as a server takes from one host.
	Endpoints, PerEndpoint int
}

// Client asks other daemons. It implements the balancer's Peers. Its methods
// may be called from many goroutines.
type Client struct {
	options ClientOptions
	pool    *pool
}

// NewClient makes a client, which connects when it is asked to.
func NewClient(o ClientOptions) (*Client, error) {
	switch {
	case o.Insecure && o.Certificates != nil:
		return nil, errors.New("peer client: certificates are of no use with insecure")
	case !o.Insecure && o.Certificates == nil:
		return nil, errors.New("peer client: certificates are required unless insecure")
	}
	if err := uuid("self", o.Self); err != nil {
		return nil, fmt.Errorf("peer client: %w", err)
	}
	if o.Timeout <= 0 {
		o.Timeout = 40 * time.Second
	}
	if o.Endpoints <= 0 {
		o.Endpoints = 128
	}
	if o.PerEndpoint <= 0 {
		o.PerEndpoint = DefaultLimits().Requests.AtOnce
	}
	return &Client{options: o, pool: newPool(o.Certificates, o.Endpoints, o.PerEndpoint)}, nil
}

// Close closes the connections as soon as nobody waits for an answer on them.
func (c *Client) Close() { c.pool.close() }

// Reserve asks the target for room and for its pre-flight checks. The host in
// the reply is stamped with the time of its arrival.
func (c *Client) Reserve(ctx context.Context, e policy.Endpoint, r ReserveRequest) (ReserveReply, error) {
	wrap := func(err error) error { return fmt.Errorf("reserve %s on %s: %w", r.Move.Domain, r.Move.To, err) }
	if err := first(r.Validate(), same("move.from", r.Move.From, "this host", c.options.Self)); err != nil {
		return ReserveReply{}, wrap(err)
	}
	reply, err := ask[ReserveReply](ctx, c, e, r.Move.To, pathReserve, r)
	if err != nil {
		return ReserveReply{}, wrap(err)
	}
	if reply.Host.ID == "" { // a refusal that says nothing of the host
		reply.Host = policy.Host{}
		return reply, nil
	}
	if reply.Host.ID != r.Move.To {
		return ReserveReply{}, wrap(fmt.Errorf("host %s answered", reply.Host.ID))
	}
	reply.Host.Received = time.Now()
	return reply, nil
}

// Renew says that the operation goes on. The error is ErrUnknownOperation when
// the target holds no promise for it.
func (c *Client) Renew(ctx context.Context, e policy.Endpoint, target policy.HostID, op policy.OpID) error {
	_, err := ask[emptyReply](ctx, c, e, target, pathRenew, renewRequest{op})
	if err != nil {
		return fmt.Errorf("renew %s on %s: %w", op, target, err)
	}
	return nil
}

// Finish says how the operation ended.
func (c *Client) Finish(ctx context.Context, e policy.Endpoint, target policy.HostID, f FinishRequest) error {
	err := first(same("move.from", f.Move.From, "this host", c.options.Self), same("move.to", f.Move.To, "the host asked", target))
	if err == nil {
		_, err = ask[emptyReply](ctx, c, e, target, pathFinish, f)
	}
	if err != nil {
		return fmt.Errorf("finish %s on %s: %w", f.Op, target, err)
	}
	return nil
}

// Locate asks the target's libvirt about a domain. On error the presence is
// not known.
func (c *Client) Locate(ctx context.Context, e policy.Endpoint, target policy.HostID, r LocateRequest) (policy.Presence, error) {
	reply, err := ask[locateReply](ctx, c, e, target, pathLocate, r)
	if err != nil {
		return policy.Presence{}, fmt.Errorf("locate %s on %s: %w", r.Domain, target, err)
	}
	return reply.Presence, nil
}

// ReasonOf says which reason against a host an error of a Client is: the host
// did not accept who asked or is not who it should be, or there was no answer.
func ReasonOf(err error) policy.Reason {
	var certificate *certificateError
	var told *Error
	switch {
	case err == nil:
		return policy.OK
	case errors.As(err, &certificate):
		return policy.Unauthorized
	case alert(err):
		return policy.Unauthorized
	case errors.As(err, &told):
		switch told.Code {
		case RefusedIdentity.String(), RefusedSender.String(), RefusedMisdirected.String():
			return policy.Unauthorized
		}
	}
	return policy.Unreachable
}

// askPatiently asks for what a person waits for: a host that is asked more than it
// bears has not looked at the question, and is asked again.
func askPatiently[Reply message](ctx context.Context, c *Client, e policy.Endpoint, target policy.HostID, path string, question message) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	var busy error
	for {
		reply, err := ask[Reply](ctx, c, e, target, path, question)
		if err != nil && busy != nil && ctx.Err() != nil {
			return reply, fmt.Errorf("%w; before that: %w", err, busy)
		}
		var told *Error
		if !errors.As(err, &told) || told.Code != RefusedRequests.String() && told.Code != RefusedRequestsTotal.String() {
			return reply, err
		}
		busy = err
		if !wait(ctx, 250*time.Millisecond) {
			return reply, busy
		}
	}
}

// wait is false if ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// ask puts one question to one host and reads the answer.
func ask[Reply message](ctx context.Context, c *Client, e policy.Endpoint, target policy.HostID, path string, question message) (Reply, error) {
	var none Reply
	if err := first(uuid("target", target), question.Validate(), validPeer(e.Peer)); err != nil {
		return none, err
	}
	body, err := encode(question)
	if err != nil {
		return none, err
	}
	if len(body) > bodyMax {
		return none, fmt.Errorf("the request has %d bytes, at most %d are allowed", len(body), bodyMax)
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	transport, release, err := c.pool.get(ctx, poolKey{e, target})
	if err != nil {
		return none, err
	}
	defer release()

	scheme := "https"
	if c.options.Insecure {
		scheme = "http"
	}
	u := url.URL{Scheme: scheme, Host: e.Peer, Path: path}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return none, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set(headerFrom, string(c.options.Self))
	request.Header.Set(headerTo, string(target))
	response, err := transport.RoundTrip(request)
	if err != nil {
		return none, diagnose(ctx, e.Peer, transport.TLSClientConfig, err)
	}
	defer response.Body.Close()
	return readReply[Reply](response)
}

func readReply[Reply message](response *http.Response) (Reply, error) {
	var none Reply
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyMax+1))
	if err != nil {
		return none, fmt.Errorf("read the answer: %w", err)
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case len(body) > bodyMax:
		return none, fmt.Errorf("the answer has more than %d bytes", bodyMax)
	case media != contentType:
		return none, fmt.Errorf("the answer (status %d) is not %s: is this the port of a virtbalanced?", response.StatusCode, contentType)
	case response.StatusCode != http.StatusOK:
		return none, readError(response.StatusCode, body)
	}
	reply, err := decode[Reply](body)
	if err != nil {
		return none, fmt.Errorf("answer: %w", err)
	}
	return reply, nil
}

func readError(status int, body []byte) error {
	e := &Error{Status: status}
	if json.Unmarshal(body, e) != nil || e.Code == "" {
		e = &Error{Status: status, Code: "status_" + strconv.Itoa(status), Message: "no explanation"}
	}
	e.Code, e.Message = printable(e.Code), printable(e.Message)
	return e
}

// validPeer wants host:port with nothing else that a URL could hold.
func validPeer(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || len(address) > nameMax || host == "" {
		return fmt.Errorf("endpoint (%.40q) must be host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("endpoint (%.40q) must have a port between 1 and 65535", address)
	}
	if u, err := url.Parse("https://" + address); err != nil || u.Host != address || u.User != nil {
		return fmt.Errorf("endpoint (%.40q) must be host:port", address)
	}
	return nil
}
