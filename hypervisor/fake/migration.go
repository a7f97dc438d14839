package fake

import (
	"fmt"
	"net/url"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// phase is how far a migration has come.
type phase uint8

const (
	queued     phase = iota // libvirt hangs and has not read the call
	connecting              // from the call to the first byte
	copying                 // pre-copy
	switching               // the guest stands still
	ended
)

// migration is one attempt to move one domain.
type migration struct {
	dom      *domain
	src, dst *host
	out, in  *instance // on the source, and half-made on the target
	transfer hypervisor.Transfer
	foreign  bool // started by a person
	asked    bool // libvirt was there to be asked

	phase phase
	began time.Duration
	ready time.Duration // when connecting or switching is over

	iteration int
	size      int64   // bytes that this iteration sends
	sent      counter // of this iteration
	dirtied   counter // during this iteration
	before    int64   // bytes of earlier iterations
	rate      int64   // bytes per second at present
	dirtyRate int64   // likewise

	fault   *Fault
	struck  bool          // the fault has taken effect
	hanging time.Duration // until when it keeps the migration from progress

	broken bool          // the target lost power; nothing will ever come back
	silent bool          // the two sides do not hear one another
	giveUp time.Duration // when they will have waited long enough

	stopped time.Duration // when the guest stopped
	arrived bool
	outcome policy.Outcome
}

// begin starts a migration, as far as it gets: it may have ended on return.
func (w *World) begin(src *host, t hypervisor.Transfer, foreign bool) *migration {
	m := &migration{src: src, transfer: t, foreign: foreign, began: w.now, giveUp: forever}
	m.dom = w.domainByID[t.Domain]
	m.asked = !src.off && src.libvirt != libvirtIsDown
	w.migrations = append(w.migrations, m)
	switch {
	case !m.asked:
		w.refuse(m, policy.LibvirtError, ErrDown.Error())
	case src.libvirt == libvirtAnswers:
		w.connect(m)
	}
	w.settle()
	w.notify()
	return m
}

// connect makes the checks of libvirt on the source and calls the target.
func (w *World) connect(m *migration) {
	m.phase = connecting
	if m.dom != nil {
		m.out = m.src.instance(m.dom.id)
	}
	if m.out == nil {
		w.refuse(m, policy.SourceGone, fmt.Sprintf("Domain not found: no domain with matching uuid '%s'", m.transfer.Domain))
		return
	}
	out := m.out
	switch {
	case out.job != policy.NoJob:
		m.out = nil // it is another migration's
		w.refuse(m, policy.JobActive, "another migration job is already running for domain '"+m.dom.spec.Name+"'")
		return
	case !out.runs():
		m.out = nil
		w.refuse(m, policy.NotRunning, "domain is not running")
		return
	case refusedByLibvirt(m.dom.spec.Obstacle):
		w.refuse(m, m.dom.spec.Obstacle, m.dom.spec.Obstacle.Text())
		return
	}
	if m.dst = w.resolve(m.transfer.URI); m.dst == nil {
		w.refuse(m, policy.Unreachable, fmt.Sprintf("unable to connect to server at %q: name or service not known", m.transfer.URI))
		return
	}
	if m.dst == m.src {
		w.refuse(m, policy.SameHost, "Attempt to migrate guest to the same host "+string(m.src.facts.ID))
		return
	}
	out.job = policy.MigratingOut
	m.ready = w.now + time.Duration(w.migration.Setup)
	m.fault = w.takeFault(m.dom, m.src, m.dst)
}

// resolve finds the host that a connection URI names, by name or ID.
func (w *World) resolve(uri string) *host {
	if u, err := url.Parse(uri); err == nil && u.Host != "" {
		uri = u.Hostname()
	}
	if h := w.hostByName[uri]; h != nil {
		return h
	}
	for _, h := range w.hosts {
		if string(h.facts.ID) == uri {
			return h
		}
	}
	return nil
}

// refusedByLibvirt tells the obstacles that libvirt itself enforces from those
// that are the balancer's own rules.
func refusedByLibvirt(r policy.Reason) bool {
	switch r {
	case policy.Passthrough, policy.HasSnapshot, policy.NotMigratable, policy.UnsafeStorage:
		return true
	default:
		return false
	}
}

// copy makes the incoming instance and sends the first page.
func (w *World) copy(m *migration) {
	if m.dst.libvirt == libvirtIsDown {
		w.refuse(m, policy.Unreachable, "unable to connect to server: Connection refused")
		return
	}
	if why, detail := w.unfit(m.dst, m.dom, m.src.facts); why != policy.OK {
		w.refuse(m, why, detail)
		return
	}
	m.in = m.dst.add(m.dom, policy.StatePaused, m.out.history)
	m.in.job = policy.MigratingIn
	m.phase, m.iteration = copying, 1
	m.size = int64(m.dom.spec.Memory)
	w.observer.arriving(w, m)
}

// pass lets time go by at the present rates.
func (m *migration) pass(dt time.Duration) {
	if m.phase != copying {
		return
	}
	m.dirtied.add(m.dirtyRate, dt, perByte)
	if m.moving() {
		m.sent.add(m.rate, dt, perByte)
	}
}

// moving reports whether bytes flow.
func (m *migration) moving() bool {
	return m.phase == copying && !m.silent && m.hanging == 0
}

// strikeAt is how many bytes of the memory are sent when the fault strikes.
func (m *migration) strikeAt() (int64, bool) {
	if m.fault == nil || m.struck || m.fault.Kind.atSwitchOver() {
		return 0, false
	}
	return int64(float64(m.dom.spec.Memory) * float64(m.fault.At)), true
}

// next is when something happens to the migration.
func (m *migration) next(now time.Duration) time.Duration {
	switch {
	case m.phase == queued || m.phase == ended:
		return forever
	case m.silent && m.broken && m.src.libvirt == libvirtHangs:
		return forever // nobody is there to give up
	case m.silent && m.hanging > 0:
		return max(now, min(m.giveUp, m.hanging))
	case m.silent:
		return max(now, m.giveUp)
	case m.hanging > 0:
		return m.hanging
	case m.phase == copying:
		dt := m.sent.until(m.size, m.rate, perByte)
		if goal, ok := m.strikeAt(); ok {
			dt = min(dt, m.sent.until(goal-m.before, m.rate, perByte))
		}
		if dt >= forever-now {
			return forever
		}
		return now + dt
	default:
		return max(now, m.ready)
	}
}

// step lets happen what is due.
func (w *World) step(m *migration) {
	due := w.now >= m.ready && !m.silent
	switch {
	case m.phase == queued || m.phase == ended:
	case w.now >= m.giveUp:
		w.expire(m)
	case m.phase == connecting && due:
		w.copy(m)
	case m.phase == copying:
		w.stepCopy(m)
	case m.phase == switching && due:
		w.arrive(m)
	}
}

// expire ends a migration whose two sides have not heard from one another for
// the keep-alive time. A source that hangs finds out later.
func (w *World) expire(m *migration) {
	switch {
	case m.phase == connecting:
		w.refuse(m, policy.Unreachable, "unable to connect to server: No route to host")
	case m.src.libvirt == libvirtHangs:
		w.drop(m)
		m.broken = true
	default:
		w.loseConnection(m)
	}
}

func (w *World) stepCopy(m *migration) {
	if m.hanging > 0 && w.now >= m.hanging {
		m.hanging = 0
	}
	goal, faulty := m.strikeAt()
	switch {
	case !m.moving():
	case faulty && m.before+m.sent.whole >= goal:
		w.strike(m)
	case m.sent.whole >= m.size:
		w.iterate(m)
	}
}

// strike has a fault take effect during the copying.
func (w *World) strike(m *migration) {
	m.struck = true
	switch m.fault.Kind {
	case FaultHang, FaultStuck:
		m.hanging = forever
		if m.fault.For > 0 {
			m.hanging = w.now + time.Duration(m.fault.For)
		}
	case FaultLost:
		w.loseConnection(m)
	default:
		w.end(m, policy.Outcome{
			Result: policy.Failed, Reason: policy.LibvirtError,
			Detail: "internal error: qemu unexpectedly closed the monitor",
		})
	}
}

// iterate ends one pass over the memory: what was dirtied meanwhile is sent in
// another, or at the switch-over if it fits the allowed downtime.
func (w *World) iterate(m *migration) {
	dirtied := min(m.dirtied.whole, int64(m.dom.spec.WorkingSet))
	const least = time.Millisecond // or iterations would become endlessly short
	allowed := time.Duration(w.migration.MaxDowntime)
	if m.transfer.MaxDowntime > 0 {
		allowed = m.transfer.MaxDowntime
	}
	allowed = max(allowed, least)
	var rest counter
	last := rest.until(dirtied, m.rate, perByte)
	m.before += m.size
	if last <= allowed {
		m.before += dirtied
		m.size, m.sent, m.dirtied = 0, counter{}, counter{}
		m.phase, m.stopped = switching, w.now
		m.ready = w.now + last + time.Duration(w.migration.SwitchOver)
		m.out.state = policy.StatePaused
		return
	}
	if w.migration.AutoConverge && 2*dirtied > m.size {
		const first, more, most = 20, 10, 99
		if m.out.throttle == 0 {
			m.out.throttle = first
		} else {
			m.out.throttle = min(most, m.out.throttle+more)
		}
	}
	m.iteration++
	m.size, m.sent, m.dirtied = dirtied, counter{}, counter{}
}

// watchConnections starts and stops the clocks of broken connections. What
// flows between two QEMUs is given up with the connection of their libvirts.
func (w *World) watchConnections() {
	for _, m := range w.migrations {
		if m.phase == queued {
			continue
		}
		m.silent = m.broken || m.src.cut || m.dst.cut || m.dst.off ||
			m.src.libvirt == libvirtHangs || m.dst.libvirt == libvirtHangs
		switch {
		case !m.silent:
			m.giveUp = forever
		case m.giveUp == forever:
			m.giveUp = w.now + time.Duration(w.migration.Keepalive)
		}
	}
}

// shareLinks sets the rates at which migrations go on.
func (w *World) shareLinks() {
	outgoing, incoming := make(map[*host]int64), make(map[*host]int64)
	for _, m := range w.migrations {
		if m.moving() {
			outgoing[m.src]++
			incoming[m.dst]++
		}
	}
	for _, m := range w.migrations {
		if m.phase != copying {
			continue
		}
		m.dirtyRate = int64(m.dom.spec.DirtyRate) * (100 - m.out.throttle) / 100
		if !m.moving() {
			m.rate = 0
			continue
		}
		m.rate = max(1, min(int64(m.src.spec.Link)/outgoing[m.src], int64(m.dst.spec.Link)/incoming[m.dst]))
		if limit := int64(m.transfer.Bandwidth); limit > 0 {
			m.rate = min(m.rate, limit)
		}
	}
}

// progress is what libvirt's job statistics say.
func (m *migration) progress(now time.Duration) policy.Progress {
	p := policy.Progress{Elapsed: now - m.began, Iteration: m.iteration}
	if m.dom == nil || m.phase == queued {
		return p
	}
	p.Total = policy.Bytes(m.dom.spec.Memory)
	p.Processed = policy.Bytes(m.before + m.sent.whole)
	p.Remaining = policy.Bytes(max(0, m.size-m.sent.whole))
	p.DirtyRate, p.Bandwidth = policy.Bytes(m.dirtyRate), policy.Bytes(m.rate)
	if m.phase == connecting {
		p.Remaining = p.Total
	}
	return p
}
