package fake

import (
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// domain is one VM, wherever it is.
type domain struct {
	id     policy.DomainID
	spec   DomainSpec
	demand demand

	statsHidden bool
	// off: shut down by its guest, or its host lost power; it rightly runs
	// nowhere.
	off bool
	// quitting: its guest wants to shut down and stands still at the moment.
	quitting bool
	boots    int
}

func (w *World) addDomain(s DomainSpec) {
	s.VCPUs = max(1, s.VCPUs)
	if s.MemoryMax == 0 {
		s.MemoryMax = s.Memory
	}
	if s.WorkingSet == 0 || s.WorkingSet > s.Memory {
		s.WorkingSet = s.Memory
	}
	d := &domain{id: DomainID(s.Name), spec: s, demand: demand{profile: s.Demand}, off: s.Off}
	w.domains = append(w.domains, d)
	h := w.hostByName(s.Host)
	if !s.Transient {
		h.defined[d.id] = &definition{dom: d, autostart: s.Autostart, history: s.History}
	}
	if !s.Off {
		h.add(d, policy.StateRunning, s.History)
		d.boots = 1
	}
}

// running returns the instances in which the guest executes.
func (w *World) running(d *domain) []*instance {
	var all []*instance
	for _, h := range w.hosts {
		if i := h.instance(d.id); i != nil && i.runs() {
			all = append(all, i)
		}
	}
	return all
}

// shutdown has the guest power itself off, as soon as it runs.
func (w *World) shutdown(d *domain) {
	running := w.running(d)
	if len(running) == 0 {
		d.quitting = !d.off
		return
	}
	d.quitting = false
	d.off = true
	for _, m := range slices.Clone(w.migrations) {
		if m.dom == d && m.phase != queued {
			w.end(m, policy.Outcome{
				Result: policy.Failed, Reason: policy.SourceGone,
				Detail: "operation failed: domain is not running",
			})
		}
	}
	for _, i := range running {
		i.host.remove(i)
	}
}

// boot starts a defined domain that runs nowhere.
func (w *World) boot(h *host, def *definition, why string) {
	d := def.dom
	if h.off || h.instance(d.id) != nil || !d.off {
		return
	}
	d.off, d.quitting = false, false
	d.boots++
	def.migratedAway = false
	h.add(d, policy.StateRunning, def.history)
	w.observer.booted(w, d, h, why)
}

func (w *World) bootByPerson(h *host, d *domain) {
	if def := h.defined[d.id]; def != nil && h.libvirt == libvirtAnswers {
		w.boot(h, def, "a person started it")
	}
}

// powerOff stops everything on a host at once. Who is connected to it only
// hears silence.
func (w *World) powerOff(h *host) {
	if h.off {
		return
	}
	h.off = true
	h.libvirt = libvirtAnswers // of its next life
	for _, m := range slices.Clone(w.migrations) {
		switch {
		case m.src == h:
			if m.in != nil {
				w.leftovers = append(w.leftovers, leftover{m.in, w.now + time.Duration(w.migration.Keepalive)})
				m.in = nil
			}
			w.end(m, policy.Outcome{Reason: policy.ConnectionLost, Detail: "the host lost power"})
		case m.dst == h && m.in != nil:
			h.remove(m.in)
			m.in, m.broken = nil, true
		}
	}
	w.leftovers = slices.DeleteFunc(w.leftovers, func(l leftover) bool { return l.in.host == h })
	for _, i := range slices.Clone(h.instances) {
		h.remove(i)
		if !w.inSwitchOver(i.dom) && len(w.running(i.dom)) == 0 {
			i.dom.off, i.dom.quitting = true, false
		}
	}
	h.busy, h.total, h.stalled = counter{}, counter{}, counter{}
}

// powerOn boots a host, which starts the domains that have autostart.
func (w *World) powerOn(h *host) {
	if !h.off {
		return
	}
	h.off = false
	for _, m := range slices.Clone(w.migrations) {
		if m.dst == h && m.broken { // the first packet to the new life is refused
			w.loseConnection(m)
		}
	}
	for _, d := range w.domains {
		if def := h.defined[d.id]; def != nil && def.autostart && !def.migratedAway {
			w.boot(h, def, "autostart")
		}
	}
}

// libvirtDown kills libvirt. Its guests run on; migrations end: those to here
// are given up by the source at once, those from here by the target. A guest
// that had stopped for its switch-over stays paused.
func (w *World) libvirtDown(h *host) {
	if h.off || h.libvirt == libvirtIsDown {
		return
	}
	h.libvirt = libvirtIsDown
	for _, m := range slices.Clone(w.migrations) {
		switch {
		case m.src == h && m.phase == switching:
			w.strand(m)
		case m.src == h:
			w.end(m, policy.Outcome{Reason: policy.ConnectionLost, Detail: "the connection to libvirt was closed"})
		case m.dst == h && m.phase != queued:
			w.loseConnection(m)
		}
	}
	w.leftovers = slices.DeleteFunc(w.leftovers, func(l leftover) bool {
		if l.in.host == h {
			h.remove(l.in)
		}
		return l.in.host == h
	})
}

func (w *World) libvirtHang(h *host) {
	if !h.off && h.libvirt == libvirtAnswers {
		h.libvirt = libvirtHangs
	}
}

// libvirtUp starts libvirt again, or lets a hung one go on: it then does what
// it was asked in the meantime, whether or not the caller still waits.
func (w *World) libvirtUp(h *host) {
	h.libvirt = libvirtAnswers
	for _, m := range slices.Clone(w.migrations) {
		if m.src == h && m.phase == queued {
			w.connect(m)
		}
	}
}
