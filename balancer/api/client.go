package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// DefaultSocket is where the daemon listens unless configured otherwise.
const DefaultSocket = "/run/virtbalanced/api.sock"

// Client asks a daemon over its unix socket.
type Client struct {
	socket string
	host   string
	http   *http.Client
}

// NewClient returns a client of the daemon at the socket.
func NewClient(socket string) *Client {
	var d net.Dialer
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}}
}

// At returns a client that asks, through the same daemon, that of another host:
// by name or UUID.
func (c *Client) At(host string) *Client { return &Client{socket: c.socket, host: host, http: c.http} }

// Socket is where the client looks for the daemon.
func (c *Client) Socket() string { return c.socket }

// Error is an answer that says why there is none.
type Error struct {
	Status  int
	Message string
	// Reason is why an order is refused; OK where it is not a matter of orders.
	Reason policy.Reason
}

// Error says what the daemon said.
func (e *Error) Error() string { return "virtbalanced: " + e.Message }

// ErrNotRunning: there is no daemon at the socket.
var ErrNotRunning = errors.New("no daemon answers")

// Status asks for the daemon at a glance.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/v1/status", &s)
}

// Hosts asks for every host as the daemon sees it.
func (c *Client) Hosts(ctx context.Context) (h []Host, err error) {
	return h, c.do(ctx, http.MethodGet, "/v1/hosts", &h)
}

// Domains asks for the domains of the daemon's host.
func (c *Client) Domains(ctx context.Context) (d []Domain, err error) {
	return d, c.do(ctx, http.MethodGet, "/v1/domains", &d)
}

// Fleet asks for every host of the fleet with its domains and operations, and so
// many ended operations of each; 0..200.
func (c *Client) Fleet(ctx context.Context, history int) (f FleetReport, err error) {
	return f, c.do(ctx, http.MethodGet, "/v1/fleet?history="+strconv.Itoa(history), &f)
}

// Plan asks what would happen now.
func (c *Client) Plan(ctx context.Context) (p Plan, err error) {
	return p, c.do(ctx, http.MethodGet, "/v1/plan", &p)
}

// History asks for the newest ended operations.
func (c *Client) History(ctx context.Context, limit int) (o []Operation, err error) {
	return o, c.do(ctx, http.MethodGet, "/v1/history?limit="+strconv.Itoa(limit), &o)
}

// Explain asks why a domain, by name or UUID, would or would not move.
func (c *Client) Explain(ctx context.Context, domain string) (e Explanation, err error) {
	return e, c.do(ctx, http.MethodGet, "/v1/explain/"+url.PathEscape(domain), &e)
}

// Snapshot asks for what the daemon knows of the fleet.
func (c *Client) Snapshot(ctx context.Context) (s policy.Snapshot, err error) {
	return s, c.do(ctx, http.MethodGet, "/v1/snapshot", &s)
}

// SetPaused stops or restarts balancing.
func (c *Client) SetPaused(ctx context.Context, paused bool) error {
	return c.order(ctx, paused, "pause", "resume")
}

// SetCordoned has the host take no domain in, or take them again.
func (c *Client) SetCordoned(ctx context.Context, cordoned bool) error {
	return c.order(ctx, cordoned, "cordon", "uncordon")
}

// SetDraining has the host give its domains away, or keep the rest.
func (c *Client) SetDraining(ctx context.Context, draining bool) error {
	return c.order(ctx, draining, "drain", "undrain")
}

// Drain asks how far the draining of the host has come, or what it would do.
func (c *Client) Drain(ctx context.Context, q DrainQuery) (d Drain, err error) {
	values := url.Values{"without": q.Without}
	if q.Check {
		values.Set("check", "true")
	}
	return d, c.do(ctx, http.MethodGet, "/v1/drain?"+values.Encode(), &d)
}

// Network asks whether the host has a network of that name.
func (c *Client) Network(ctx context.Context, name string) (n Network, err error) {
	return n, c.do(ctx, http.MethodGet, "/v1/networks/"+url.PathEscape(name), &n)
}

// Find asks which hosts could take a new domain.
func (c *Client) Find(ctx context.Context, q FindQuery) (r []Room, err error) {
	values := url.Values{
		"cpu_millis":   {strconv.FormatInt(int64(q.Load.CPU), 10)},
		"memory_bytes": {strconv.FormatInt(int64(q.Load.Memory), 10)},
		"label":        q.Requires,
	}
	return r, c.do(ctx, http.MethodGet, "/v1/find?"+values.Encode(), &r)
}

// Move has the host, which must be the domain's, make one move, and returns the
// operation as it begins; with o.Check only what would be.
func (c *Client) Move(ctx context.Context, o MoveOrder) (op Operation, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return op, err
	}
	return op, c.send(ctx, http.MethodPost, "/v1/move", body, &op)
}

// Cancel has an open operation of the host given up.
func (c *Client) Cancel(ctx context.Context, op policy.OpID) error {
	return c.do(ctx, http.MethodPost, "/v1/cancel/"+url.PathEscape(string(op)), &struct{}{})
}

func (c *Client) order(ctx context.Context, set bool, on, off string) error {
	if !set {
		on = off
	}
	return c.do(ctx, http.MethodPost, "/v1/"+on, &struct{}{})
}

// do asks one question. Errors say what to do next.
func (c *Client) do(ctx context.Context, method, path string, v any) error {
	return c.send(ctx, method, path, nil, v)
}

const (
	// busyPause is how long a daemon that has too many requests is left alone, up
	// to half as much again, and busyFor how long it may have too many.
	busyPause = 200 * time.Millisecond
	busyFor   = 10 * time.Second
)

// errHungUp: the daemon has too many connections, or was just stopped.
var errHungUp = errors.New("the daemon closed the connection and did not answer; try again, or ask virtbalance history what became of an order")

// send asks, and asks again while the daemon has too many requests, which it
// turns away unread. With too many connections it just closes them, and nobody
// knows what it has read: then only questions are asked again.
func (c *Client) send(ctx context.Context, method, path string, content []byte, v any) error {
	var busy error
	for began := time.Now(); ; {
		err := c.sendOnce(ctx, method, path, content, v)
		if err != nil && busy != nil && ctx.Err() != nil {
			return fmt.Errorf("%w; before that: %w", err, busy)
		}
		var told *Error
		again := errors.As(err, &told) && told.Status == http.StatusTooManyRequests || errors.Is(err, errHungUp) && method == http.MethodGet
		if !again || time.Since(began) > busyFor {
			return err
		}
		busy = err
		select {
		case <-time.After(busyPause + rand.N(busyPause/2)):
		case <-ctx.Done():
			return busy
		}
	}
}

// hungUp reports whether the daemon closed the connection instead of answering.
func hungUp(err error) bool {
	// What net/http says when it finds that out between two steps of its own has no
	// name that could be compared.
	const closedMeanwhile = "server closed idle connection"
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) ||
		err != nil && strings.Contains(err.Error(), closedMeanwhile)
}

func (c *Client) sendOnce(ctx context.Context, method, path string, content []byte, v any) error {
	if c.host != "" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "host=" + url.QueryEscape(c.host)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://daemon"+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w at %s: is virtbalanced running on this host? (systemctl status virtbalanced)", ErrNotRunning, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied: run as root or as a member of the socket's group", c.socket)
	case hungUp(err):
		return fmt.Errorf("%s: %w", c.socket, errHungUp)
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, 64<<20)
	if resp.StatusCode != http.StatusOK {
		var e errorReply
		if err := json.NewDecoder(body).Decode(&e); err != nil || e.Error == "" {
			e.Error = resp.Status
		}
		return &Error{Status: resp.StatusCode, Message: e.Error, Reason: e.Reason}
	}
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return fmt.Errorf("virtbalanced answered what this version does not understand: %w", err)
	}
	return nil
}
