package libvirt

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// maxCalls bounds the calls that are under way at once, hung ones included.
const maxCalls = 64

// The ways in which a call can fail without an answer of libvirt.
var (
	errDown    = errors.New("libvirt is not connected")
	errOverdue = errors.New("libvirt did not answer in time")
	errStuck   = errors.New("an earlier call on the domain has not returned")
	errTooMany = errors.New("too many calls into libvirt never returned")
)

// callError says which call failed, in libvirt's words where they are its own.
type callError struct {
	what string
	err  error
}

// Error implements error.
func (e *callError) Error() string { return e.what + ": " + message(e.err) }

// Unwrap makes libvirt's error code reachable.
func (e *callError) Unwrap() error { return e.err }

// calls runs functions that cannot be interrupted, each with a deadline after
// which nobody waits for it any more.
type calls struct {
	slots   chan struct{}
	maxHung int
	tooMany chan struct{} // closed when maxHung is reached

	mu      sync.Mutex
	hung    int                     // now
	overdue uint64                  // ever
	stuck   map[policy.DomainID]int // domains with a hung call
}

func newCalls(maxHung int) *calls {
	return &calls{
		slots:   make(chan struct{}, maxCalls),
		maxHung: maxHung,
		tooMany: make(chan struct{}),
		stuck:   make(map[policy.DomainID]int),
	}
}

// A task says what a call is for, so that a deadline can be accounted for.
type task struct {
	what  string
	limit time.Duration
	// domain is whose QEMU the call may have to wait for; empty if none's.
	domain policy.DomainID
	// conn carries the call; nil for what needs none, as reading a file
	// system that may hang.
	conn *conn
	// after runs once, when the function has returned or will never run.
	after func()
}

// call runs fn and returns its result, or returns earlier with an error: the
// context's, or errOverdue. fn then goes on by itself, so it must release what
// it holds and return values only.
func call[T any](ctx context.Context, c *calls, t task, fn func() (T, error)) (T, error) {
	var none T
	fail := func(err error) (T, error) { return none, &callError{t.what, err} }
	if err := c.admit(ctx, t); err != nil {
		if t.after != nil {
			t.after()
		}
		return fail(err)
	}

	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	late := make(chan struct{})
	watch := time.AfterFunc(t.limit, func() {
		c.began(t)
		close(late)
	})
	go func() {
		value, err := fn()
		if t.after != nil {
			t.after()
		}
		done <- result{value, err}
		if !watch.Stop() {
			<-late
			c.ended(t)
		}
		t.conn.leave()
		<-c.slots
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return fail(r.err)
		}
		return r.value, nil
	case <-late:
		return fail(errOverdue)
	case <-ctx.Done():
		return fail(ctx.Err())
	}
}

// admit waits for a free place and takes the connection into use.
func (c *calls) admit(ctx context.Context, t task) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.isStuck(t.domain) {
		return errStuck
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !t.conn.enter() {
		<-c.slots
		return errDown
	}
	return nil
}

// began accounts for a call that is over its deadline.
func (c *calls) began(t task) {
	c.mu.Lock()
	c.hung++
	c.overdue++
	if c.hung == c.maxHung {
		select {
		case <-c.tooMany:
		default:
			close(c.tooMany)
		}
	}
	if t.domain != "" {
		c.stuck[t.domain]++
	}
	c.mu.Unlock()
	t.conn.overdue(t)
}

// ended accounts for a call that returned after its deadline.
func (c *calls) ended(t task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hung--
	if t.domain == "" {
		return
	}
	if c.stuck[t.domain]--; c.stuck[t.domain] == 0 {
		delete(c.stuck, t.domain)
	}
}

func (c *calls) isStuck(id policy.DomainID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stuck[id] > 0
}

// counts returns the number of calls that hang now and that ever did.
func (c *calls) counts() (hung int, overdue uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hung, c.overdue
}
