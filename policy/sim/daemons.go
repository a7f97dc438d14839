package sim

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Daemons runs the policy as a fleet of daemons does: each host samples its own
// counters, estimates, tells the others its state, decides for its own VMs on
// what it has heard, and asks the target, which admits by its own view and
// ledger. Nobody sees the whole.
//
// A CPU is 1000 MIPS here.
type Daemons struct {
	Options

	hosts []daemon
	// told holds the states that every host will have heard GossipDelay later;
	// heard what they have heard by now.
	told  [][]policy.Host
	heard []policy.Host
	// fresh is how many of heard are fresh, counted once for all hosts. It
	// is the same for each: all are heard of at once.
	fresh int
	// moment is what the windows allow now.
	moment policy.Moment
	// domains is scratch of decide.
	domains []policy.Domain
	own     []scratch // of each worker
	ops     int
}

// Options are what a fleet of daemons is configured with.
type Options struct {
	Policy policy.Config
	// Mode is every host's, and Windows say when load-driven moves may begin;
	// the run starts at midnight UTC on Tuesday, the first of January 2030.
	Mode    policy.Mode
	Windows policy.Windows
	// Seed decides the draws among targets that are as good, and nothing else.
	Seed uint32
	// TimeConstant and Horizon are the estimator's.
	TimeConstant, Horizon time.Duration
	// SampleEvery is the time between two samples and tellings, Period that
	// between two decisions; GossipDelay how late the others hear. All are
	// multiples of Step.
	SampleEvery, Period, GossipDelay time.Duration
	// Attempts bounds how many targets are asked in one round.
	Attempts int
}

// daemon is one host's.
type daemon struct {
	id        policy.HostID
	estimator policy.Estimator
	state     policy.State
	ledger    policy.Ledger

	busy, total time.Duration
	host        policy.Host
	use         policy.Utilization
	sample      policy.Sample
	outbound    int
}

// guest is what travels with a VM.
type guest struct {
	id        policy.DomainID
	cpu, wait time.Duration
	history   policy.MoveHistory
	move      policy.Move
	op        policy.OpID
}

// fleet is the World with what the daemons' hypervisors would know.
type fleet struct {
	*World
	guests []guest
}

// NewDaemons starts a daemon on each host of the world.
func NewDaemons(w *World, o Options) *Balanced {
	d := &Balanced{Daemons: Daemons{Options: o}, fleet: fleet{World: w, guests: make([]guest, len(w.VMs))}}
	for i := range w.VMs {
		d.guests[i].id = domainID(i)
	}
	d.hosts = make([]daemon, len(w.Capacity))
	d.heard = make([]policy.Host, len(w.Capacity))
	for i := range d.hosts {
		h := &d.hosts[i]
		h.id = hostID(i)
		h.estimator = policy.Estimator{TimeConstant: o.TimeConstant, Horizon: o.Horizon}
		h.host.ID = h.id
		h.host.Capacity = policy.Load{CPU: millis(w.Capacity[i]), Memory: math.MaxInt64 / 4}
		if w.Memory != nil {
			h.host.Capacity.Memory = policy.Bytes(w.Memory[i]) * policy.MiB
		}
	}
	return d
}

// IDs are a prefix and the index.
func hostID(i int) policy.HostID     { return policy.HostID(fmt.Sprintf("host-%06d", i)) }
func domainID(i int) policy.DomainID { return policy.DomainID(fmt.Sprintf("vm-%06d", i)) }

func hostIndex(id policy.HostID) int { return index(string(id)) }
func vmIndex(id policy.DomainID) int { return index(string(id)) }

// index panics on an ID that this package did not make.
func index(id string) int {
	_, digits, _ := strings.Cut(id, "-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(err)
	}
	return n
}

func millis(mips float64) policy.MilliCPU { return policy.MilliCPU(math.Round(mips)) }

// cpuTime is the CPU time that so many MIPS make in one step.
func cpuTime(mips float64) time.Duration {
	return time.Duration(mips / 1000 * float64(Step))
}

// Balanced is a world with its daemons.
type Balanced struct {
	Daemons
	fleet
}

var epoch = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// now is the hosts' clock. The policy's draws are seeded by the time, to the
// nanosecond; nothing else looks so closely.
func (b *Balanced) now() time.Time { return epoch.Add(b.Now + time.Duration(b.Seed)) }

// Control implements Controller: counters advance with every step, samples and
// decisions come at their own pace, those of different hosts at different
// moments.
func (b *Balanced) Control(w *World) {
	b.advance()
	if w.Now%b.SampleEvery == 0 {
		each(len(b.hosts), b.observe)
		b.gossip()
	}
	// The first counters make no rate, and the first rates are heard later.
	first := b.SampleEvery + b.GossipDelay
	if w.Now < first {
		return
	}
	b.fresh = b.countFresh()
	b.moment = b.Windows.At(b.now(), b.Mode)
	slots := int(b.Period / Step)
	var due []int
	for i := range b.hosts {
		if w.Now == first || int(w.Now/Step)%slots == i%slots {
			due = append(due, i)
		}
	}
	for i, resting := range b.rest(due) {
		owes := b.hosts[due[i]].state.Debt.Domain != "" // perhaps since a moment ago
		if !resting || owes {
			b.decide(due[i])
		}
	}
}

// rest lets hosts decide, and says which of them have nothing to do. These have
// decided; nothing that the others do in the same step changes that, for without
// need of relief nobody looks at promises, unless they ask for a swap. In a large fleet they are nearly all,
// so it is worth doing on all CPUs.
func (b *Balanced) rest(due []int) []bool {
	resting := make([]bool, len(due))
	workers := workersFor(len(due))
	if workers == 1 {
		return resting // decide will see
	}
	for len(b.own) < workers {
		b.own = append(b.own, scratch{})
	}
	for k := range workers {
		b.own[k].heard = append(b.own[k].heard[:0], b.heard...)
	}
	eachOf(len(due), func(worker, k int) {
		own, i := &b.own[worker], due[k]
		h := &b.hosts[i]
		v, undo := b.viewOf(i, own)
		defer undo()
		d, state := policy.Policy{Config: b.Policy}.Decide(v, h.state)
		if len(d.Plan) == 0 && d.Hold != policy.NoFeasibleHost {
			h.state, resting[k] = state, true
		}
	})
	return resting
}

// scratch is what a decision needs for itself.
type scratch struct {
	heard   []policy.Host
	domains []policy.Domain
}

// viewOf is all that one host knows, itself and its domains exactly. The host
// itself comes first, where it is found at once. undo makes what was heard again
// what it was: to copy a large fleet for each host would take most of the time.
func (b *Balanced) viewOf(i int, own *scratch) (v policy.View, undo func()) {
	h := &b.hosts[i]
	first, heard := own.heard[0], own.heard[i]
	own.heard[i] = first
	own.heard[0] = h.host
	own.heard[0].Outbound = h.outbound
	own.domains = own.domains[:0]
	for _, c := range h.sample.Domains {
		own.domains = append(own.domains, h.estimator.Domain(c))
	}
	v = b.view(i)
	v.Hosts, v.Domains = own.heard, own.domains
	return v, func() { own.heard[0], own.heard[i] = first, heard }
}

// advance lets the counters grow by what was used and waited for in one step.
func (b *Balanced) advance() {
	each(len(b.hosts), func(i int) {
		h := &b.hosts[i]
		h.total += cpuTime(b.Capacity[i])
		h.busy += cpuTime(min(b.Load[i], b.Capacity[i]))
		served := min(1, b.Capacity[i]/max(b.Load[i], 1e-9))
		for _, vm := range b.On[i] {
			g, demand := &b.guests[vm], b.VMs[vm].Demand
			g.cpu += cpuTime(demand * served)
			g.wait += cpuTime(demand * (1 - served))
		}
	})
}

// observe samples one host.
func (b *Balanced) observe(i int) {
	h := &b.hosts[i]
	h.sample = policy.Sample{
		At: b.now(), DomainsKnown: true,
		Host:    policy.HostCounters{Known: true, Busy: h.busy, Total: h.total, MemoryTotal: h.host.Capacity.Memory, MemoryAvailable: h.host.Capacity.Memory - b.memoryOf(i)},
		Domains: h.sample.Domains[:0],
	}
	for _, vm := range b.On[i] {
		g, v := &b.guests[vm], &b.VMs[vm]
		c := policy.DomainCounters{
			ID: g.id, Name: v.Name, State: policy.StateRunning, StatsKnown: true,
			VCPUs:   int(math.Ceil(v.MIPS / 1000)),
			CPUTime: g.cpu, Wait: g.wait, History: g.history,
			Memory: policy.Bytes(v.RAM) * policy.MiB, MemoryMax: policy.Bytes(v.RAM) * policy.MiB,
		}
		if v.MovingTo >= 0 {
			c.Job = policy.MigratingOut
		}
		h.sample.Domains = append(h.sample.Domains, c)
	}
	h.use = h.estimator.Observe(h.sample)
	h.ledger = h.ledger.Unexpired(b.now())
	cap := float64(h.host.Capacity.CPU)
	h.host.Flags = 0
	h.host.Used = policy.Load{CPU: policy.MilliCPU(float64(h.use.Smoothed) * cap), Memory: h.use.Memory}
	h.host.Promised = h.ledger.Promised(h.id)
	h.host.Inbound, h.host.Outbound = h.ledger.Inbound(h.id), h.outbound
	h.host.Running = len(b.On[i])
	h.host.Ahead = h.use.Ahead
	if !h.use.Known {
		h.host.Flags |= policy.Blind
	}
}

// memoryOf is what the VMs of a host hold, unless memory is without bound.
func (b *Balanced) memoryOf(i int) (sum policy.Bytes) {
	if b.Memory == nil {
		return 0
	}
	for _, vm := range b.On[i] {
		sum += policy.Bytes(b.VMs[vm].RAM) * policy.MiB
	}
	return min(sum, b.hosts[i].host.Capacity.Memory)
}

// gossip tells every host the states of all, GossipDelay later.
func (b *Balanced) gossip() {
	states := make([]policy.Host, len(b.hosts))
	for i := range b.hosts {
		states[i] = b.hosts[i].host
		states[i].Received = b.now().Add(b.GossipDelay)
	}
	b.told = append(b.told, states)
	for len(b.told) > 1 && !b.told[0][0].Received.After(b.now()) && !b.told[1][0].Received.After(b.now()) {
		b.told = b.told[1:]
	}
	if !b.told[0][0].Received.After(b.now()) {
		copy(b.heard, b.told[0])
	}
}

// countFresh counts the hosts whose last word is new enough to be believed.
func (b *Balanced) countFresh() int {
	n := 0
	for i := range b.heard {
		if b.now().Sub(b.heard[i].Received) <= b.Policy.StaleAfter {
			n++
		}
	}
	return max(1, n)
}

// view is all that one host knows. The slice of hosts is shared: the host's own
// entry is put into it by the caller.
func (b *Balanced) view(i int) policy.View {
	h := &b.hosts[i]
	v := policy.View{
		Now: b.now(), Self: h.id, Hosts: b.heard, Ledger: h.ledger.Unexpired(b.now()), Utilization: h.use,
		Conditions: policy.Conditions{
			Mode: b.moment.Mode, Closed: !b.moment.Open, Opens: b.moment.Opens, Known: len(b.hosts), Fresh: b.fresh,
		},
	}
	return v
}

// decide lets one host decide, and carries out what it decides.
func (b *Balanced) decide(i int) {
	h := &b.hosts[i]
	own := scratch{heard: b.heard, domains: b.domains}
	v, undo := b.viewOf(i, &own)
	defer undo()
	b.domains = own.domains
	for range b.Attempts {
		var d policy.Decision
		d, h.state = policy.Policy{Config: b.Policy}.Decide(v, h.state)
		if d.Hold != policy.OK {
			return
		}
		for k, m := range d.Plan {
			if h.outbound >= b.Policy.MaxOutbound {
				return
			}
			if why := b.ask(i, m); why != policy.OK {
				h.state = b.Policy.Refused(h.state, b.now(), m, why)
				break
			}
			if k == len(d.Plan)-1 {
				return
			}
			v = v.Apply(m)
			v.Ledger = h.ledger
		}
	}
}

// ask has the target answer by its own view, and starts the move if it is taken
// in.
func (b *Balanced) ask(from int, m policy.Move) policy.Reason {
	to, vm := hostIndex(m.To), vmIndex(m.Domain)
	target, source := &b.hosts[to], &b.hosts[from]
	if b.VMs[vm].Host != from {
		return policy.SourceGone // since the last sample
	}
	tv := b.view(to)
	tv.Hosts = []policy.Host{target.host}
	if m.Back != nil { // whom else could it give something to?
		tv, _ = b.viewOf(to, &scratch{heard: slices.Clone(b.told[0])})
	}
	var why policy.Reason
	if why, target.state = b.Policy.Answer(tv, target.state, m); why != policy.OK {
		return why
	}
	g := &b.guests[vm]
	b.ops++
	g.move, g.op = m, policy.OpID(fmt.Sprintf("%09d", b.ops))
	r := policy.Reservation{
		Op: g.op, Domain: m.Domain, From: m.From, To: m.To, Phase: policy.Migrating,
		Load: m.Booked(), Granted: b.now(), Expires: b.now().Add(10 * time.Minute),
	}
	target.ledger = target.ledger.With(r)
	source.ledger = source.ledger.With(r)
	source.outbound++
	b.Migrate(vm, to)
	return policy.OK
}

// Arrived implements Controller.
func (b *Balanced) Arrived(w *World, vm, from int) {
	g := &b.guests[vm]
	source, target := &b.hosts[from], &b.hosts[w.VMs[vm].Host]
	source.outbound--
	source.ledger = source.ledger.Without(g.op)
	source.state = b.Policy.Finished(source.state, b.now(), g.move, policy.Outcome{Result: policy.Succeeded})
	if r, ok := target.ledger.Find(g.op); ok {
		r.Phase = policy.SettlingIn
		r.Expires = b.now().Add(2*b.TimeConstant + b.SampleEvery)
		target.ledger = target.ledger.With(r)
	}
	g.history = b.Policy.Arrived(g.history, b.now(), source.id)
}
