package fake

import (
	"fmt"
	"slices"
	"time"
)

// Verb names what an Action does.
type Verb string

// The verbs, with the fields of Action that they use.
const (
	PowerOff Verb = "power-off" // Host
	PowerOn  Verb = "power-on"  // Host; starts domains with autostart

	LibvirtDown Verb = "libvirt-down" // Host; killed: calls fail, guests run on
	LibvirtHang Verb = "libvirt-hang" // Host; stopped: calls wait
	LibvirtUp   Verb = "libvirt-up"   // Host

	CableOut Verb = "cable-out" // Host; no migration gets through
	CableIn  Verb = "cable-in"  // Host

	ProcDown Verb = "proc-down" // Host; its own counters cannot be read
	ProcUp   Verb = "proc-up"   // Host
	Rewind   Verb = "rewind"    // Host, By; its next sample is behind by so much CPU time

	SetLoad   Verb = "load"   // Host, Demand
	SetDemand Verb = "demand" // Domain, Demand
	SetDirty  Verb = "dirty"  // Domain, Rate

	HideStats Verb = "hide-stats" // Domain; listed, but without counters
	ShowStats Verb = "show-stats" // Domain

	Shutdown Verb = "shutdown" // Domain; the guest powers itself off

	// What people do behind the balancer's back, and to clean up after what a
	// fault has left.
	Boot    Verb = "boot"    // Domain, Host; start it where it is defined
	Pause   Verb = "pause"   // Domain
	Unpause Verb = "unpause" // Domain; also one that a fault left paused
	Discard Verb = "discard" // Domain, Host; end its instance there
	JobOn   Verb = "job-on"  // Domain; a backup, say, that keeps it from moving
	JobOff  Verb = "job-off" // Domain
	Migrate Verb = "migrate" // Domain, To
	Abort   Verb = "abort"   // Domain; its migration

	AddFault Verb = "fault" // Fault
)

// Action is something that happens in a world and is not done through a
// Hypervisor: by people, by guests, by fate.
type Action struct {
	// At is when it happens, since the start of the world.
	At Duration `json:"at,omitempty"`
	Do Verb     `json:"do"`

	Host   string   `json:"host,omitempty"`
	Domain string   `json:"domain,omitempty"`
	To     string   `json:"to,omitempty"`
	Demand *Profile `json:"demand,omitempty"`
	Rate   Size     `json:"rate,omitempty"`
	By     Duration `json:"by,omitempty"`
	Fault  *Fault   `json:"fault,omitempty"`
}

// needs says which names a verb takes.
func (v Verb) needs() (host, domain, known bool) {
	switch v {
	case PowerOff, PowerOn, LibvirtDown, LibvirtHang, LibvirtUp, CableOut, CableIn, ProcDown, ProcUp, Rewind, SetLoad:
		return true, false, true
	case SetDemand, SetDirty, HideStats, ShowStats, Shutdown, Pause, Unpause, JobOn, JobOff, Migrate, Abort:
		return false, true, true
	case Boot, Discard:
		return true, true, true
	case AddFault:
		return false, false, true
	default:
		return false, false, false
	}
}

func (a Action) validate(hosts, domains known) error {
	host, domain, known := a.Do.needs()
	switch {
	case !known:
		return fmt.Errorf("do (%q) is unknown", a.Do)
	case host && !hosts(a.Host):
		return fmt.Errorf("%s: host (%q) is not among hosts", a.Do, a.Host)
	case domain && !domains(a.Domain):
		return fmt.Errorf("%s: domain (%q) is not among domains", a.Do, a.Domain)
	case a.Do == Migrate && !hosts(a.To):
		return fmt.Errorf("%s: to (%q) is not among hosts", a.Do, a.To)
	case (a.Do == SetLoad || a.Do == SetDemand) && a.Demand == nil:
		return fmt.Errorf("%s: demand is missing", a.Do)
	case a.Do == AddFault && a.Fault == nil:
		return fmt.Errorf("%s: fault is missing", a.Do)
	case a.At < 0 || a.At > maxTime || a.By < 0 || a.By > maxTime:
		return fmt.Errorf("%s: at and by must be within 0s..%s", a.Do, time.Duration(maxTime))
	case a.Rate < 0 || a.Rate > maxRate:
		return fmt.Errorf("%s: rate must be within 0B..1024GiB", a.Do)
	}
	if a.Demand != nil {
		if err := a.Demand.validate(); err != nil {
			return fmt.Errorf("%s: demand: %w", a.Do, err)
		}
	}
	if a.Fault != nil {
		return a.Fault.validate(hosts, domains)
	}
	return nil
}

// Do has something happen: now, or at a.At if that is still to come. It
// returns an error if the action names what does not exist; an action that
// finds nothing to do (power off a host that is off) does nothing.
func (w *World) Do(a Action) error {
	w.lock()
	defer w.unlock()
	if err := a.validate(names(w.hostByName), names(w.domainByName)); err != nil {
		return err
	}
	if time.Duration(a.At) > w.now {
		w.schedule(a)
	} else {
		w.apply(a)
		w.settle()
	}
	w.notify()
	return nil
}

// schedule adds an action behind those of the same time.
func (w *World) schedule(a Action) {
	i, _ := slices.BinarySearchFunc(w.script, a, func(have, want Action) int {
		if have.At <= want.At {
			return -1
		}
		return 1
	})
	w.script = slices.Insert(w.script, i, a)
}

// apply performs a validated action at the present instant.
func (w *World) apply(a Action) {
	h, d := w.hostByName[a.Host], w.domainByName[a.Domain]
	switch a.Do {
	case PowerOff:
		w.powerOff(h)
	case PowerOn:
		w.powerOn(h)
	case LibvirtDown:
		w.libvirtDown(h)
	case LibvirtHang:
		w.libvirtHang(h)
	case LibvirtUp:
		w.libvirtUp(h)
	case CableOut:
		h.cut = true
	case CableIn:
		h.cut = false
	case ProcDown:
		h.blind = true
	case ProcUp:
		h.blind = false
	case Rewind:
		h.rewind = time.Duration(a.By)
	case SetLoad:
		h.load = demand{profile: *a.Demand, since: w.now}
	case SetDemand:
		d.demand = demand{profile: *a.Demand, since: w.now}
	case SetDirty:
		d.spec.DirtyRate = a.Rate
	case HideStats:
		d.statsHidden = true
	case ShowStats:
		d.statsHidden = false
	case Shutdown:
		w.shutdown(d)
	case Boot, Pause, Unpause, Discard, JobOn, JobOff:
		w.intervene(a.Do, h, d)
	case Migrate:
		w.operatorMigrate(d, w.hostByName[a.To])
	case Abort:
		for _, i := range slices.Clone(d.instances) {
			if m := w.migrationOut(i.host, d.id); m != nil {
				w.abort(m)
			}
		}
	case AddFault:
		w.faults = append(w.faults, *a.Fault)
	}
}
