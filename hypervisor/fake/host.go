package fake

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// libvirtState is what libvirt does with calls.
type libvirtState uint8

const (
	libvirtAnswers libvirtState = iota
	libvirtHangs
	libvirtIsDown
)

// demand is a profile and when it began.
type demand struct {
	profile Profile
	since   time.Duration
}

func (d demand) at(now time.Duration) (policy.MilliCPU, time.Duration) {
	cpu, until := d.profile.at(now - d.since)
	if until < forever-d.since {
		return cpu, d.since + until
	}
	return cpu, forever
}

// host is one host at the present instant.
type host struct {
	spec  HostSpec
	facts policy.HostFacts
	load  demand

	off     bool // no power
	cut     bool // no cable
	blind   bool // /proc cannot be read
	libvirt libvirtState
	rewind  time.Duration

	instances []*instance // by domain ID
	defined   map[policy.DomainID]*definition

	sending, receiving int64 // migrations whose bytes flow
	inbound, outbound  peak  // migrations

	// Counters since it was powered on, and the rates at which they grow.
	busy, total, stalled counter
	busyRate             policy.MilliCPU
	starved              bool
	changes              time.Duration // when a demand changes next
}

// peak is how many there are, and were at most.
type peak struct{ now, most int }

func (p *peak) set(n int) { p.now, p.most = n, max(p.most, n) }

// definition is a persistent domain as one host knows it.
type definition struct {
	dom          *domain
	autostart    bool
	history      policy.MoveHistory
	migratedAway bool
}

// instance is a live domain on one host. While a domain migrates it has two.
type instance struct {
	dom          *domain
	host         *host
	state        policy.DomainState
	job          policy.Job
	migratedAway bool
	immigrated   bool // came by migration
	history      policy.MoveHistory
	throttle     int64 // percent of its demand that auto-converge takes away

	used, waited         counter
	usedRate, waitedRate policy.MilliCPU
	// wants is the demand at present, guestWants the guest's part of it.
	wants, guestWants policy.MilliCPU
}

// runs reports whether the guest executes in this instance.
func (i *instance) runs() bool { return i.state == policy.StateRunning }

func newHost(s HostSpec) *host {
	if s.Link == 0 {
		s.Link = GiB
	}
	if s.CPUModel == "" {
		s.CPUModel = "Simulated"
	}
	model := fnv.New64a()
	_, _ = model.Write([]byte(s.CPUModel)) // a hash never fails
	return &host{
		spec:    s,
		load:    demand{profile: s.Load},
		defined: make(map[policy.DomainID]*definition),
		facts: policy.HostFacts{
			ID: HostID(s.Name), Name: s.Name,
			Capacity:       policy.Load{CPU: s.CPU, Memory: policy.Bytes(s.Memory)},
			CPUModel:       s.CPUModel,
			CPUFingerprint: model.Sum64(),
			LibvirtVersion: s.LibvirtVersion, HypervisorVersion: s.HypervisorVersion,
			Labels:   slices.Clone(s.Labels),
			Endpoint: policy.Endpoint{Migration: s.Name},
		},
	}
}

// instance returns the live domain, nil if there is none here.
func (h *host) instance(id policy.DomainID) *instance {
	i, ok := h.find(id)
	if !ok {
		return nil
	}
	return h.instances[i]
}

func (h *host) find(id policy.DomainID) (int, bool) {
	return slices.BinarySearchFunc(h.instances, id, func(i *instance, id policy.DomainID) int {
		return cmp.Compare(i.dom.id, id)
	})
}

func (h *host) add(d *domain, state policy.DomainState, history policy.MoveHistory) *instance {
	i := &instance{dom: d, host: h, state: state, history: history}
	at, _ := h.find(d.id)
	h.instances = slices.Insert(h.instances, at, i)
	d.instances = append(d.instances, i)
	return i
}

func (h *host) remove(i *instance) {
	if at, ok := h.find(i.dom.id); ok && h.instances[at] == i {
		h.instances = slices.Delete(h.instances, at, at+1)
		i.dom.instances = slices.DeleteFunc(i.dom.instances, func(other *instance) bool { return other == i })
	}
}

// memoryAvailable is what active domains and the host itself leave.
func (h *host) memoryAvailable() policy.Bytes {
	free := policy.Bytes(h.spec.Memory - h.spec.MemoryUsed)
	for _, i := range h.instances {
		free -= policy.Bytes(i.dom.spec.Memory)
	}
	return free
}

// rerate shares the CPU out at this instant. Every rate is a whole number of
// millicores, within one of its exact share, and together they are exactly the
// capacity where the demand exceeds it.
func (h *host) rerate(now time.Duration, m Migration) {
	if h.off {
		h.busyRate, h.starved, h.changes = 0, false, forever
		return
	}
	own, changes := h.load.at(now)
	sum := own
	for _, i := range h.instances {
		guest, until := i.demand(now)
		i.guestWants, i.wants = guest, guest+i.migrationCPU(m)
		sum += i.wants
		changes = min(changes, until)
	}
	h.changes = changes
	capacity := h.spec.CPU
	h.starved = sum > capacity
	h.busyRate = min(sum, capacity)

	// Each takes the difference of two rounded prefix sums.
	upTo := own
	shared := func(prefix policy.MilliCPU) policy.MilliCPU {
		if h.starved {
			return prefix * capacity / sum
		}
		return prefix
	}
	for _, i := range h.instances {
		i.usedRate = shared(upTo+i.wants) - shared(upTo)
		i.waitedRate = 0
		if i.wants > 0 { // the threads of a migration are no vCPUs
			i.waitedRate = (i.wants - i.usedRate) * i.guestWants / i.wants
		}
		upTo += i.wants
	}
}

// demand is that of the guest, and until when it stays.
func (i *instance) demand(now time.Duration) (policy.MilliCPU, time.Duration) {
	if !i.runs() {
		return 0, forever
	}
	cpu, until := i.dom.demand.at(now)
	cpu = min(cpu, policy.MilliCPU(i.dom.spec.VCPUs)*1000)
	return cpu * policy.MilliCPU(100-i.throttle) / 100, until
}

// migrationCPU is what a migration costs here.
func (i *instance) migrationCPU(m Migration) policy.MilliCPU {
	switch i.job {
	case policy.MigratingOut:
		return m.SourceCPU
	case policy.MigratingIn:
		return m.TargetCPU
	default:
		return 0
	}
}

// pass lets time go by at the present rates.
func (h *host) pass(dt time.Duration) {
	if h.off {
		return
	}
	h.busy.add(int64(h.busyRate), dt, perCPU)
	h.total.add(int64(h.spec.CPU), dt, perCPU)
	if h.starved {
		h.stalled.add(perCPU, dt, perCPU)
	}
	for _, i := range h.instances {
		i.used.add(int64(i.usedRate), dt, perCPU)
		i.waited.add(int64(i.waitedRate), dt, perCPU)
	}
}
