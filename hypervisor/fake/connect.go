package fake

import (
	"fmt"
	"net/url"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

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
	m.in.job, m.in.immigrated = policy.MigratingIn, true
	m.phase, m.iteration = copying, 1
	m.size = int64(m.dom.spec.Memory)
	w.observer.arriving(w, m)
}

// unfit says why libvirt on the target would refuse a domain; memory is not
// among it, for QEMU takes that only when it is used.
func (w *World) unfit(h *host, d *domain, from policy.HostFacts) (policy.Reason, string) {
	if h.instance(d.id) != nil {
		return policy.AlreadyThere, "domain '" + d.spec.Name + "' is already active"
	}
	return d.spec.unfit(h.spec, from, h.facts)
}

// operatorMigrate is a migration that a person starts on the source.
func (w *World) operatorMigrate(d *domain, to *host) {
	for _, i := range d.instances {
		if i.runs() {
			w.begin(i.host, transferTo(d.id, to), true)
			return
		}
	}
}
