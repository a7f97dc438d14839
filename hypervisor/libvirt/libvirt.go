package libvirt

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/policy"
)

// Hypervisor is the host's libvirt. Its methods answer with an error, or an
// outcome that says so, until Run has connected. All are safe for concurrent
// use.
type Hypervisor struct {
	opts  Options
	log   *slog.Logger
	proc  proc.FS
	calls *calls
	known *registry
	host  hostReader

	mu       sync.Mutex
	session  *session // nil while down
	up       chan struct{}
	sessions uint64
	moves    map[policy.DomainID]*pursuit
}

// New prepares the adapter. It does not connect: Run does.
//
// The first call in a process starts libvirt's event loop, which then runs
// until the process ends.
func New(o Options) (*Hypervisor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("libvirt options: %w", err)
	}
	if err := processLoop.start(); err != nil {
		return nil, err
	}
	return &Hypervisor{
		opts:  o,
		log:   o.Log,
		proc:  o.Proc,
		calls: newCalls(o.MaxHungCalls),
		known: newRegistry(o.InspectEvery),
		host:  hostReader{proc: o.Proc},
		up:    make(chan struct{}),
		moves: make(map[policy.DomainID]*pursuit),
	}, nil
}

// Status is the adapter's own condition, for metrics and readiness.
type Status struct {
	Connected bool
	// Reconnects counts the connections made after the first.
	Reconnects uint64
	// HungCalls is the number of calls that are over their deadline now,
	// OverdueCalls the number that ever were.
	HungCalls    int
	OverdueCalls uint64
	// Migrations is the number of migrations out that this process follows.
	Migrations int
}

// Status returns the adapter's condition.
func (h *Hypervisor) Status() Status {
	var s Status
	s.HungCalls, s.OverdueCalls = h.calls.counts()
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Connected, s.Migrations = h.session != nil, len(h.moves)
	s.Reconnects = h.sessions - min(h.sessions, 1)
	return s
}

// current returns the session, or errDown.
func (h *Hypervisor) current() (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.session == nil {
		return nil, errDown
	}
	return h.session, nil
}

// await waits until there is a session.
func (h *Hypervisor) await(ctx context.Context) (*session, error) {
	for {
		h.mu.Lock()
		s, up := h.session, h.up
		h.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errDown, ctx.Err())
		}
	}
}
