package fake

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// World is a set of hosts and the domains on them. All methods may be called
// from several goroutines.
type World struct {
	mu sync.Mutex

	live  bool          // follows the time package
	start time.Time     // when now was zero
	now   time.Duration // the instant that the state belongs to

	migration Migration
	hosts     []*host   // in the order of the Spec
	domains   []*domain // in the order of the Spec

	hostByName   map[string]*host
	domainByName map[string]*domain
	domainByID   map[policy.DomainID]*domain

	script []Action // what is still to come, by time
	faults []Fault

	migrations []*migration // running or queued, in the order in which they were asked for
	untold     []*migration // ended, and who asked does not know yet
	leftovers  []leftover   // half-made instances whose source is gone
	attempts   []*Attempt   // whose end somebody waits for with Then

	observer observer
	changed  chan struct{} // closed at each change that time alone does not bring
}

// start is when the worlds of New begin.
var start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// New makes a world that stands still except for Advance. Its time begins at
// the start of 2026, UTC. The error lists all faults of the Spec.
func New(s Spec) (*World, error) { return newWorld(s, start, false) }

// NewLive makes a world that follows the clock of the time package from now on.
func NewLive(s Spec) (*World, error) { return newWorld(s, time.Now(), true) }

func newWorld(s Spec, start time.Time, live bool) (*World, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Migration == (Migration{}) {
		s.Migration = DefaultMigration()
	}
	w := &World{
		live: live, start: start, migration: s.Migration,
		faults: slices.Clone(s.Faults), changed: make(chan struct{}), observer: newObserver(),
		hostByName:   make(map[string]*host, len(s.Hosts)),
		domainByName: make(map[string]*domain, len(s.Domains)),
		domainByID:   make(map[policy.DomainID]*domain, len(s.Domains)),
	}
	for _, spec := range s.Hosts {
		h := newHost(spec)
		w.hosts = append(w.hosts, h)
		w.hostByName[spec.Name] = h
	}
	for _, spec := range s.Domains {
		w.addDomain(spec)
	}
	for _, a := range s.Timeline {
		w.schedule(a)
	}
	w.fire()
	return w, nil
}

// Now is the world's time.
func (w *World) Now() time.Time {
	w.lock()
	defer w.unlock()
	return w.at(w.now)
}

// Next is when the state changes next without anybody doing anything, other
// than by counters growing; false if never.
func (w *World) Next() (time.Time, bool) {
	w.lock()
	defer w.unlock()
	next := w.next()
	return w.at(next), next < forever
}

// Advance lets time pass in a world made by New. What ends on the way ends at
// its own instant: the functions given to Attempt.Then run, in this goroutine,
// while the world's time is that instant. It panics on a live world, whose time
// nobody can push.
func (w *World) Advance(d time.Duration) {
	if w.live {
		panic("fake: Advance on a live world")
	}
	w.mu.Lock()
	goal := w.now + max(0, d)
	for {
		w.advance(goal)
		ended := w.takeEnded()
		if len(ended) == 0 {
			break
		}
		w.notify()
		w.mu.Unlock()
		for _, a := range ended {
			a.then(a.m.outcome)
		}
		w.mu.Lock()
	}
	w.notify()
	w.mu.Unlock()
}

// lock takes the world and brings it up to now.
func (w *World) lock() {
	w.mu.Lock()
	if w.live {
		w.advance(time.Since(w.start))
	}
}

func (w *World) unlock() { w.mu.Unlock() }

// notify wakes everybody who waits.
func (w *World) notify() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *World) at(t time.Duration) time.Time { return w.start.Add(t) }

// advance brings the state up to goal, or to the first instant at which an
// attempt ends that somebody is to be told about.
func (w *World) advance(goal time.Duration) {
	for {
		next := w.next()
		if next > goal {
			break
		}
		w.pass(next)
		w.fire()
		if w.anyEnded() {
			return
		}
	}
	w.pass(goal)
}

// pass lets time go by in which nothing happens.
func (w *World) pass(to time.Duration) {
	dt := to - w.now
	if dt <= 0 {
		return
	}
	for _, h := range w.hosts {
		h.pass(dt)
	}
	for _, m := range w.migrations {
		m.pass(dt)
	}
	w.now = to
}

// next is the time of the next event.
func (w *World) next() time.Duration {
	next := forever
	if len(w.script) > 0 {
		next = time.Duration(w.script[0].At)
	}
	for _, h := range w.hosts {
		next = min(next, h.changes)
	}
	for _, m := range w.migrations {
		next = min(next, m.next(w.now))
	}
	for _, l := range w.leftovers {
		next = min(next, l.due(w.now))
	}
	return next
}

// fire lets happen what is due: first the script, then migrations in the order
// in which they were asked for, then leftovers. Rates follow.
func (w *World) fire() {
	for len(w.script) > 0 && time.Duration(w.script[0].At) <= w.now {
		a := w.script[0]
		w.script = w.script[1:]
		w.apply(a)
		w.settle()
	}
	for _, m := range slices.Clone(w.migrations) {
		w.step(m)
	}
	w.leftovers = slices.DeleteFunc(w.leftovers, func(l leftover) bool {
		due := l.due(w.now) <= w.now
		if due {
			l.in.host.remove(l.in)
		}
		return due
	})
	w.settle()
}

// settle brings everything that follows from the state up to date, after any
// change of it.
func (w *World) settle() {
	w.migrations = slices.DeleteFunc(w.migrations, func(m *migration) bool { return m.phase == ended })
	w.tell()
	w.watchConnections()
	w.shareLinks()
	for _, h := range w.hosts {
		h.rerate(w.now, w.migration)
	}
	w.observer.look(w)
}

// Hypervisor returns the hypervisor of one host, as the daemon on that host
// uses it.
func (w *World) Hypervisor(name string) (*Hypervisor, error) {
	h := w.hostByName[name]
	if h == nil {
		return nil, fmt.Errorf("host %q is not in this world; there are %q", name, w.HostNames())
	}
	return &Hypervisor{local{w: w, h: h}}, nil
}

// HostNames lists the hosts in the order of the Spec.
func (w *World) HostNames() []string {
	names := make([]string, 0, len(w.hosts))
	for _, h := range w.hosts {
		names = append(names, h.spec.Name)
	}
	return names
}
