package fake

import (
	"github.com/virtbalance/virtbalance/policy"
)

// arrive ends the switch-over: the guest runs on the target, and libvirt
// defines it there and undefines it on the source, unless a fault interferes.
func (w *World) arrive(m *migration) {
	kind := FaultKind("")
	if m.fault != nil {
		kind = m.fault.Kind
	}
	lost := policy.Outcome{Reason: policy.ConnectionLost, Detail: "the connection was closed before the outcome arrived"}
	if kind == FaultLimbo {
		w.strand(m, lost)
		return
	}
	d, o := m.dom, lost
	m.in.state, m.in.job = policy.StateRunning, policy.NoJob
	old := m.src.defined[d.id]
	if !d.spec.Transient {
		m.dst.defined[d.id] = &definition{dom: d, history: m.in.history} // autostart is not carried over
	}
	switch kind {
	case FaultSplit:
		w.observer.excuse(d)
		m.out.state, m.split = policy.StateRunning, true
		o.Result, o.Detail = policy.Failed, "internal error: client socket is closed"
	case FaultHusk:
		m.out.migratedAway = true
		if old != nil {
			old.migratedAway = true
		}
	case FaultUnconfirmed:
		m.src.remove(m.out)
		if old != nil {
			old.migratedAway = true
		}
	default:
		m.src.remove(m.out)
		delete(m.src.defined, d.id)
		o = policy.Outcome{Result: policy.Succeeded, Reason: policy.Completed}
		if kind == FaultMisreport {
			o = policy.Outcome{
				Result: policy.Failed, Reason: policy.LibvirtError,
				Detail: "Domain not found: no domain with matching uuid '" + string(d.id) + "'",
			}
		}
	}
	m.in, m.arrived = nil, true
	w.conclude(m, o)
}

// strand leaves a stopped guest on the source, with the target's half gone:
// what happens when the source's libvirt dies between sending the guest and
// hearing that it runs.
func (w *World) strand(m *migration, o policy.Outcome) {
	w.observer.excuse(m.dom)
	m.out.migratedAway = true
	w.leave(m)
	w.conclude(m, o)
}

// loseConnection has both sides give up: the target drops what it has, the
// guest goes on at the source.
func (w *World) loseConnection(m *migration) {
	w.end(m, policy.Outcome{
		Result: policy.Failed, Reason: policy.ConnectionLost,
		Detail: "internal error: client socket is closed",
	})
}

// refuse ends a migration that never began to copy.
func (w *World) refuse(m *migration, why policy.Reason, detail string) {
	w.end(m, policy.Outcome{Result: policy.Failed, Reason: why, Detail: detail})
}

// end stops a migration that has not arrived; the guest goes on at the source.
func (w *World) end(m *migration, o policy.Outcome) {
	if m.phase == ended {
		return
	}
	w.leave(m)
	if m.out != nil && m.phase == switching {
		m.out.state = policy.StateRunning
	}
	w.conclude(m, o)
}

// conclude writes the outcome down.
func (w *World) conclude(m *migration, o policy.Outcome) {
	if m.out != nil {
		m.out.job, m.out.throttle = policy.NoJob, 0
	}
	if m.phase == switching {
		o.Downtime = w.now - m.stopped
	}
	o.Duration = w.now - m.began
	o.Transferred = policy.Bytes(m.before + m.sent.whole)
	m.phase, m.outcome = ended, o
	w.untold = append(w.untold, m)
	w.observer.moved(w, m)
	if m.dom != nil && m.dom.quitting {
		w.shutdown(m.dom)
	}
}

// afterwards is what a host can say of the end of a migration that it does not
// remember, from what it knows of the domain.
func afterwards(p policy.Presence) policy.Outcome {
	switch {
	case p.Active && p.State == policy.StateRunning && p.Job == policy.NoJob:
		return policy.Outcome{Result: policy.Failed, Reason: policy.Interrupted, Detail: "the domain runs here and no migration does"}
	case p.Active:
		return policy.Outcome{Reason: policy.NotLocated, Detail: "the domain is " + p.State.String() + " here"}
	case p.MigratedAway:
		return policy.Outcome{Result: policy.Succeeded, Reason: policy.Completed}
	case p.Defined:
		return policy.Outcome{Result: policy.Failed, Reason: policy.SourceGone, Detail: "the domain is shut off here"}
	default:
		return policy.Outcome{Reason: policy.NotLocated, Detail: "the domain is not here any more"}
	}
}

// abort asks for the end of a migration. Once the guest has stopped it has no
// effect any more.
func (w *World) abort(m *migration) {
	stuck := m.fault != nil && m.fault.Kind == FaultStuck && m.hanging > 0
	if stuck || (m.phase != connecting && m.phase != copying) {
		return
	}
	w.end(m, policy.Outcome{
		Result: policy.Aborted, Reason: policy.Cancelled,
		Detail: "operation aborted: job 'migration out' canceled by client",
	})
	w.settle()
	w.notify()
}

func (w *World) inSwitchOver(d *domain) bool {
	for _, m := range w.migrations {
		if m.dom == d && m.phase == switching {
			return true
		}
	}
	return false
}
