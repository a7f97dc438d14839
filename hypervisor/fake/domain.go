package fake

import (
	"slices"

	"github.com/virtbalance/virtbalance/policy"
)

// domain is one VM, wherever it is.
type domain struct {
	id     policy.DomainID
	spec   DomainSpec
	demand demand

	// instances are those on all hosts: none, one, or two while it migrates.
	instances []*instance

	statsHidden bool
	// off: shut down, or its host lost power; it rightly runs nowhere.
	off bool
	// quitting: its guest wants to shut down and stands still at the moment.
	quitting bool
	// paused by a person.
	paused bool
	boots  int
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
	w.domainByID[d.id], w.domainByName[s.Name] = d, d
	h := w.hostByName[s.Host]
	if !s.Transient {
		h.defined[d.id] = &definition{dom: d, autostart: s.Autostart, history: s.History}
	}
	if !s.Off {
		h.add(d, policy.StateRunning, s.History)
		d.boots = 1
	}
}

// running counts the instances in which the guest executes.
func (d *domain) running() int {
	n := 0
	for _, i := range d.instances {
		if i.runs() {
			n++
		}
	}
	return n
}

// shutdown has the guest power itself off, as soon as it runs.
func (w *World) shutdown(d *domain) {
	if d.running() == 0 {
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
	for _, i := range slices.Clone(d.instances) {
		if i.runs() {
			i.host.remove(i)
		}
	}
}

// boot starts a defined domain that runs nowhere.
func (w *World) boot(h *host, def *definition, why string) {
	d := def.dom
	if h.off || h.instance(d.id) != nil || !d.off {
		return
	}
	d.off, d.quitting, d.paused = false, false, false
	d.boots++
	def.migratedAway = false
	h.add(d, policy.StateRunning, def.history)
	w.observer.booted(w, d, h, why)
}

// intervene does what people do to single domains, where libvirt would let
// them.
func (w *World) intervene(v Verb, h *host, d *domain) {
	switch v {
	case Boot:
		if def := h.defined[d.id]; def != nil && h.libvirt == libvirtAnswers {
			w.boot(h, def, "a person started it")
		}
	case Discard:
		if i := h.instance(d.id); i != nil && i.job == policy.NoJob {
			w.observer.excuse(d)
			h.remove(i)
			d.off = len(d.instances) == 0
		}
	case Pause:
		if i := d.alone(); i != nil && i.runs() && i.job == policy.NoJob {
			i.state, d.paused = policy.StatePaused, true
		}
	case Unpause:
		if i := d.alone(); i != nil && i.job == policy.NoJob {
			i.state, i.migratedAway = policy.StateRunning, false
			d.off, d.paused = false, false // off: what is left when it ended elsewhere
			if d.quitting {
				w.shutdown(d)
			}
		}
	case JobOn, JobOff:
		for _, i := range d.instances {
			switch {
			case v == JobOn && i.job == policy.NoJob:
				i.job = policy.OtherJob
			case v == JobOff && i.job == policy.OtherJob:
				i.job = policy.NoJob
			}
		}
	}
}

// alone returns the only instance of a domain.
func (d *domain) alone() *instance {
	if len(d.instances) != 1 {
		return nil
	}
	return d.instances[0]
}
