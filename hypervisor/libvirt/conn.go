package libvirt

import (
	"sync"
	"time"

	lv "libvirt.org/go/libvirt"
)

// conn is one connection to libvirtd. It is closed when its owner lets go of
// it and the last call on it has returned: virConnectClose under a call that
// still runs would free what the call uses.
type conn struct {
	lv *lv.Connect
	// sick is told, once at least, when the connection should be replaced.
	sick chan<- string

	mu      sync.Mutex
	active  int
	closing bool
	hung    int
	events  []int // callback identifiers, taken back before closing
}

// hungDomainCalls is the number of calls on single domains that may hang
// before the connection is replaced; libvirtd takes five requests of one
// client at a time.
const hungDomainCalls = 3

// enter reports whether a call may use the connection; leave must follow.
// A nil conn carries nothing and is always there.
func (c *conn) enter() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	c.active++
	return true
}

func (c *conn) leave() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.active--
	last := c.closing && c.active == 0
	c.mu.Unlock()
	if last {
		c.shut()
	}
}

// overdue notes that a call did not return in time. One that waits for
// libvirtd itself condemns the connection; one that may be waiting for a
// single QEMU does so only in company.
func (c *conn) overdue(t task) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.hung++
	condemned := t.domain == "" || c.hung >= hungDomainCalls
	c.mu.Unlock()
	if condemned {
		c.complain(t.what + " did not return in time")
	}
}

func (c *conn) complain(why string) {
	select {
	case c.sick <- why:
	default: // somebody has complained already
	}
}

// drop lets go of the connection. It does not wait.
func (c *conn) drop() {
	c.mu.Lock()
	closing, idle := c.closing, c.active == 0
	c.closing = true
	c.mu.Unlock()
	if idle && !closing {
		go c.shut()
	}
}

// shut takes back the callbacks and closes. Each step asks libvirtd and may
// take as long as the keep-alive does to give a dead one up. It returns the
// number of references that something still holds, each a leak.
func (c *conn) shut() int {
	if c.lv == nil {
		return 0
	}
	for _, id := range c.events {
		_ = c.lv.DomainEventDeregister(id)
	}
	_ = c.lv.UnregisterCloseCallback()
	held, _ := c.lv.Close()
	return held
}

// dial opens a connection. There is no deadline: until the connection is
// open nothing probes it, and a stopped libvirtd accepts and says nothing.
func dial(o Options, sick chan<- string) (*conn, error) {
	raw, err := lv.NewConnect(o.URI)
	if err != nil {
		return nil, err
	}
	c := &conn{lv: raw, sick: sick}
	err = raw.SetKeepAlive(int(o.KeepAlive/time.Second), keepAliveCount)
	if err != nil && !noSupport(err) { // the test driver has no socket to probe
		c.drop()
		return nil, err
	}
	err = raw.RegisterCloseCallback(func(_ *lv.Connect, reason lv.ConnectCloseReason) {
		c.complain("the connection was closed: " + closeReason(reason))
	})
	if err != nil && !noSupport(err) {
		c.drop()
		return nil, err
	}
	return c, nil
}

func closeReason(r lv.ConnectCloseReason) string {
	switch r {
	case lv.CONNECT_CLOSE_REASON_ERROR:
		return "input/output error"
	case lv.CONNECT_CLOSE_REASON_EOF:
		return "libvirtd went away"
	case lv.CONNECT_CLOSE_REASON_KEEPALIVE:
		return "libvirtd did not answer keep-alive probes"
	default:
		return "by this side"
	}
}
