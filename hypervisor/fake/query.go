package fake

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// What calls on a hypervisor fail with. All are wrapped.
var (
	// ErrDown: libvirt is not there, or its host has no power.
	ErrDown = errors.New("libvirt is not running")
	// ErrHung: libvirt does not answer. Only a world made by New says so; in a
	// live one the call waits.
	ErrHung = errors.New("libvirt does not answer")
	// ErrNoDomain: the host does not know the domain.
	ErrNoDomain = errors.New("domain not found")
	// ErrNoJob: the domain is not being migrated away.
	ErrNoJob = errors.New("no migration out of this host is running")
	// ErrUnreadable: the host's own counters cannot be read.
	ErrUnreadable = errors.New("the counters of the host cannot be read")
)

// answers returns why the libvirt of a host cannot be asked, nil if it can.
func (h *host) answers() error {
	switch {
	case h.off || h.libvirt == libvirtIsDown:
		return ErrDown
	case h.libvirt == libvirtHangs:
		return ErrHung
	default:
		return nil
	}
}

// sample reads the counters. libvirt says whether domains can be listed.
func (w *World) sample(h *host, libvirt error) (policy.Sample, error) {
	s := policy.Sample{At: w.at(w.now)}
	if h.off {
		return s, ErrDown
	}
	err := libvirt
	if h.blind {
		err = errors.Join(err, ErrUnreadable)
	} else {
		s.Host = h.counters()
	}
	if libvirt != nil {
		return s, err
	}
	s.DomainsKnown = true
	s.Domains = make([]policy.DomainCounters, 0, len(h.instances))
	for _, i := range h.instances {
		s.Domains = append(s.Domains, i.counters())
	}
	return s, err
}

func (h *host) counters() policy.HostCounters {
	c := policy.HostCounters{
		Busy: h.busy.duration(), Total: h.total.duration(),
		MemoryTotal:     policy.Bytes(h.spec.Memory),
		MemoryAvailable: max(0, h.memoryAvailable()),
		PressureKnown:   !h.spec.NoPressure,
		Known:           true,
	}
	if c.PressureKnown {
		c.Stalled = h.stalled.duration()
	}
	c.Busy, c.Total = max(0, c.Busy-h.rewind), max(0, c.Total-h.rewind)
	h.rewind = 0
	return c
}

func (i *instance) counters() policy.DomainCounters {
	spec := &i.dom.spec
	c := policy.DomainCounters{
		ID: i.dom.id, Name: spec.Name, State: i.state, VCPUs: spec.VCPUs,
		Memory: policy.Bytes(spec.Memory), MemoryMax: policy.Bytes(spec.MemoryMax),
		StatsKnown: !i.dom.statsHidden,
		Job:        i.job, Obstacle: spec.Obstacle, Rules: spec.Rules.Clone(), History: i.history,
		Immigrated: i.immigrated && i.runs(),
	}
	switch {
	case c.Rules.Ignore:
		c.Obstacle = policy.IgnoredDomain
	case c.Rules.Pin:
		c.Obstacle = policy.PinnedDomain
	}
	if c.StatsKnown {
		c.CPUTime, c.Wait = i.used.duration(), i.waited.duration()
	}
	return c
}

// locate says what a host knows of a domain.
func (w *World) locate(h *host, id policy.DomainID) policy.Presence {
	p := policy.Presence{Known: true}
	if def := h.defined[id]; def != nil {
		p.Defined, p.State, p.MigratedAway = true, policy.StateShutoff, def.migratedAway
	}
	if i := h.instance(id); i != nil {
		p.Active, p.State, p.Job, p.MigratedAway = true, i.state, i.job, i.migratedAway
	}
	return p
}

func (w *World) describe(h *host, id policy.DomainID) (hypervisor.Description, error) {
	i, def := h.instance(id), h.defined[id]
	d := w.domainByID[id]
	if i == nil && def == nil {
		return hypervisor.Description{}, fmt.Errorf("describe %s: %w", id, ErrNoDomain)
	}
	return hypervisor.Description{
		Domain: id, Name: d.spec.Name,
		Persistent: def != nil, Autostart: def != nil && def.autostart,
		VCPUs: d.spec.VCPUs, MemoryMax: policy.Bytes(d.spec.MemoryMax),
		Source: h.facts,
	}, nil
}

// preflight is what the target's daemon can find out before it says yes.
func (w *World) preflight(h *host, desc hypervisor.Description) (policy.Reason, string) {
	d := w.domainByID[desc.Domain]
	if d == nil {
		return policy.PreflightFailed, "the domain is not of this world"
	}
	if h.instance(d.id) != nil || h.defined[d.id] != nil {
		return policy.AlreadyThere, fmt.Sprintf("domain %s is known on %s", d.spec.Name, h.spec.Name)
	}
	if free := h.memoryAvailable(); policy.Bytes(d.spec.MemoryMax) > free {
		return policy.HostMemory, fmt.Sprintf("%s needs %s, %s has %s",
			d.spec.Name, policy.Bytes(d.spec.MemoryMax), h.spec.Name, max(0, free))
	}
	return d.spec.unfit(h.spec, desc.Source, h.facts)
}

// unfit is the first thing that a host lacks to run the domain.
func (d DomainSpec) unfit(h HostSpec, from, to policy.HostFacts) (policy.Reason, string) {
	switch {
	case d.CPU == Passthrough && from.CPUFingerprint != to.CPUFingerprint:
		return policy.CPUIncompatible, fmt.Sprintf("the guest has the CPU of %s (%s), %s has %s",
			from.Name, from.CPUModel, to.Name, to.CPUModel)
	case d.CPU != "" && d.CPU != Passthrough && !slices.Contains(h.CPUModels, d.CPU):
		return policy.CPUIncompatible, fmt.Sprintf("guest CPU %s does not run on %s", d.CPU, to.Name)
	case from.HypervisorVersion > to.HypervisorVersion || from.LibvirtVersion > to.LibvirtVersion:
		return policy.VersionOlder, fmt.Sprintf("%s is older than %s", to.Name, from.Name)
	case d.Machine != "" && !slices.Contains(h.Machines, d.Machine):
		return policy.MachineUnsupported, fmt.Sprintf("machine type %s is unknown on %s", d.Machine, to.Name)
	}
	for _, s := range d.Storage {
		if !slices.Contains(h.Storage, s) {
			return policy.StorageMissing, fmt.Sprintf("storage %s is not reachable from %s", s, to.Name)
		}
	}
	for _, n := range d.Networks {
		if !slices.Contains(h.Networks, n) {
			return policy.NetworkMissing, fmt.Sprintf("network %s does not exist on %s", n, to.Name)
		}
	}
	return policy.OK, ""
}

// handOff sets on a domain that has arrived what a migration does not carry.
func (w *World) handOff(h *host, id policy.DomainID, x hypervisor.Handoff) error {
	i, def := h.instance(id), h.defined[id]
	if i == nil && def == nil {
		return fmt.Errorf("settle %s: %w", id, ErrNoDomain)
	}
	if i != nil {
		i.history = x.History
	}
	if def != nil {
		def.history, def.autostart = x.History, x.Autostart
	}
	return nil
}

// setRules writes the rules into the metadata of the domain, which both of its
// definitions share here.
func (w *World) setRules(h *host, id policy.DomainID, r policy.Rules) error {
	if h.instance(id) == nil && h.defined[id] == nil {
		return fmt.Errorf("rules of %s: %w", id, ErrNoDomain)
	}
	w.domainByID[id].spec.Rules = r.Clone()
	return nil
}

// migrationOut returns the running migration of a domain out of a host.
func (w *World) migrationOut(h *host, id policy.DomainID) *migration {
	for _, m := range w.migrations {
		if m.src == h && m.transfer.Domain == id && m.phase != queued && m.phase != ended {
			return m
		}
	}
	return nil
}

// transferTo is a transfer with the defaults.
func transferTo(id policy.DomainID, to *host) hypervisor.Transfer {
	return hypervisor.Transfer{Domain: id, URI: "sim://" + to.spec.Name}
}

// progressInterval is how often a caller hears of the progress.
const progressInterval = time.Second
