package fake

import (
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
	split   bool // the guest goes on at the source as well
	outcome policy.Outcome
	heard   bool // the outcome has reached who asked for the migration
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
