package fake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Client uses a world that another process serves. It holds no connection;
// each call makes its own.
type Client struct {
	socket string
}

// Dial returns a client of the world served at a unix socket. Whether it is
// there shows at the first call.
func Dial(socket string) *Client { return &Client{socket: socket} }

// Hypervisor returns the hypervisor of one host, the first one if host is
// empty. It asks the world once, so that a wrong name shows. A world that is
// not served yet is like a libvirt that is down: calls fail until it is.
func (c *Client) Hypervisor(ctx context.Context, host string) (*Hypervisor, error) {
	r := remote{c: c, host: host}
	if _, err := r.Facts(ctx); err != nil && !errors.Is(err, ErrDown) && !errors.Is(err, ErrHung) {
		return nil, err
	}
	return &Hypervisor{r}, nil
}

// Do has something happen in the world, as World.Do.
func (c *Client) Do(ctx context.Context, a Action) error {
	return c.call(ctx, request{Call: callDo, Action: &a}, nil, nil)
}

// Report describes the world at this instant.
func (c *Client) Report(ctx context.Context) (Report, error) {
	var r Report
	err := c.call(ctx, request{Call: callReport}, &r, nil)
	return r, err
}

// call makes one call. Its error wraps what the server's error wraps; result
// may be filled beside it.
func (c *Client) call(ctx context.Context, r request, result any, progress func(policy.Progress)) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.socket)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", r.Call, ErrDown, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { hangUp(conn) })
	defer stop()

	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return fmt.Errorf("%s: %w", r.Call, cause(ctx, err))
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, maxMessage)
	for lines.Scan() {
		var answer reply
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			return fmt.Errorf("%s: %w", r.Call, err)
		}
		if answer.Progress != nil {
			if progress != nil {
				progress(*answer.Progress)
			}
			continue
		}
		if result != nil && answer.Result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				return fmt.Errorf("%s: %w", r.Call, err)
			}
		}
		if answer.Error != nil {
			return answer.Error
		}
		return nil
	}
	err = lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: %w", r.Call, cause(ctx, err))
}

// hangUp tells the server that the caller gives up, and waits a moment for what
// it knows by then: a sample without its domains, for one.
func hangUp(conn net.Conn) {
	const moment = 500 * time.Millisecond
	_ = conn.SetDeadline(time.Now().Add(moment))
	if half, ok := conn.(*net.UnixConn); ok {
		_ = half.CloseWrite()
	}
}

// cause prefers the end of the context to the error that it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// remote reaches a world of another process.
type remote struct {
	c    *Client
	host string
}

func (r remote) Facts(ctx context.Context) (policy.HostFacts, error) {
	var facts policy.HostFacts
	err := r.c.call(ctx, request{Call: callFacts, Host: r.host}, &facts, nil)
	return facts, err
}

func (r remote) Sample(ctx context.Context) (policy.Sample, error) {
	var s policy.Sample
	err := r.c.call(ctx, request{Call: callSample, Host: r.host}, &s, nil)
	return s, err
}

func (r remote) Migrate(ctx context.Context, t hypervisor.Transfer, progress func(policy.Progress)) policy.Outcome {
	o, err := r.follow(ctx, request{Call: callMigrate, Host: r.host, Transfer: &t}, progress)
	if errors.Is(err, ErrDown) { // nobody was asked
		o.Result, o.Reason = policy.Failed, policy.LibvirtError
	}
	return o
}

func (r remote) Watch(ctx context.Context, id policy.DomainID, progress func(policy.Progress)) policy.Outcome {
	o, _ := r.follow(ctx, request{Call: callWatch, Host: r.host, Domain: id}, progress)
	return o // which says that nothing is known, if that is so
}

// follow waits for an outcome. Without an answer nothing is known, and the
// error says why.
func (r remote) follow(ctx context.Context, q request, progress func(policy.Progress)) (policy.Outcome, error) {
	began := time.Now()
	var o policy.Outcome
	err := r.c.call(ctx, q, &o, progress)
	switch {
	case err == nil:
		return o, nil
	case ctx.Err() != nil:
		return policy.Outcome{Reason: policy.NotLocated, Detail: err.Error(), Duration: time.Since(began)}, err
	default:
		return policy.Outcome{Reason: policy.ConnectionLost, Detail: err.Error(), Duration: time.Since(began)}, err
	}
}

func (r remote) Abort(ctx context.Context, id policy.DomainID) error {
	return r.c.call(ctx, request{Call: callAbort, Host: r.host, Domain: id}, nil, nil)
}

func (r remote) Locate(ctx context.Context, id policy.DomainID) (policy.Presence, error) {
	var p policy.Presence
	err := r.c.call(ctx, request{Call: callLocate, Host: r.host, Domain: id}, &p, nil)
	return p, err
}

func (r remote) Describe(ctx context.Context, id policy.DomainID) (hypervisor.Description, error) {
	var d hypervisor.Description
	err := r.c.call(ctx, request{Call: callDescribe, Host: r.host, Domain: id}, &d, nil)
	return d, err
}

func (r remote) Preflight(ctx context.Context, d hypervisor.Description) (policy.Reason, string) {
	var v verdict
	if err := r.c.call(ctx, request{Call: callPreflight, Host: r.host, Description: &d}, &v, nil); err != nil {
		return policy.PreflightFailed, err.Error()
	}
	return v.Reason, v.Detail
}

func (r remote) HasNetwork(ctx context.Context, name string) (bool, error) {
	has := false
	err := r.c.call(ctx, request{Call: callHasNetwork, Host: r.host, Network: name}, &has, nil)
	return has, err
}

func (r remote) Settle(ctx context.Context, id policy.DomainID, h hypervisor.Handoff) error {
	return r.c.call(ctx, request{Call: callSettle, Host: r.host, Domain: id, Handoff: &h}, nil, nil)
}

func (r remote) SetRules(ctx context.Context, id policy.DomainID, rules policy.Rules) error {
	return r.c.call(ctx, request{Call: callSetRules, Host: r.host, Domain: id, Rules: &rules}, nil, nil)
}
