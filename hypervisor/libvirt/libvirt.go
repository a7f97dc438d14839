package libvirt

import (
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
	// stats carries the bulk reading of counters, control everything else but
	// migrations.
	stats, control *link

	mu    sync.Mutex
	moves map[policy.DomainID]*pursuit
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
	h := &Hypervisor{
		opts:  o,
		log:   o.Log,
		proc:  o.Proc,
		calls: newCalls(o.MaxHungCalls),
		known: newRegistry(o.InspectEvery),
		host:  hostReader{proc: o.Proc},
		moves: make(map[policy.DomainID]*pursuit),
	}
	h.stats = newLink("stats", &h.opts, nil)
	h.control = newLink("control", &h.opts, openControl)
	h.stats.other, h.control.other = h.control, h.stats
	return h, nil
}

// openControl completes a session of the link for control.
func openControl(s *session) error {
	if err := s.subscribe(); err != nil {
		return fmt.Errorf("subscribe to events: %w", err)
	}
	var err error
	s.node, err = readNode(s.conn.lv)
	return err
}

// Status is the adapter's own condition, for metrics and readiness.
type Status struct {
	Connected bool
	// Reconnects counts the connections made after the first ones.
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
	statsUp, statsAgain := h.stats.condition()
	controlUp, controlAgain := h.control.condition()
	s.Connected, s.Reconnects = statsUp && controlUp, statsAgain+controlAgain
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Migrations = len(h.moves)
	return s
}
