package disaster

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// Scenario says how big a cluster is and what it goes through. What happens
// then, and when, comes from the seed.
type Scenario struct {
	Hosts, Domains int
	// Overloaded are the hosts that begin with more than their share; zero lets
	// the seed choose.
	Overloaded int
	// Disasters strike for so long; then everything is mended, load stays as it
	// is, and the cluster has Calm to come to rest.
	Disasters, Calm time.Duration
	// Rested is for how long at the end nothing may have moved.
	Rested time.Duration
	// Varied has the seed choose the strategy and the detector as well, and
	// whether domains have rules and hosts lose their labels.
	Varied bool
	// Deaf has only such disasters strike as keep the word of a migration from
	// its target, and no load change: promises end while what they were given for
	// still comes.
	Deaf bool
}

// Storm is the scenario of the seeds: everything goes wrong.
func Storm() Scenario {
	return Scenario{Hosts: 10, Domains: 34, Disasters: 10 * time.Minute, Calm: 6 * time.Minute, Varied: true}
}

// Silence is a cluster of few targets whose hosts hardly hear of one another.
func Silence() Scenario {
	return Scenario{Hosts: 6, Domains: 24, Disasters: 10 * time.Minute, Calm: 6 * time.Minute, Deaf: true}
}

// ConstantLoad is a cluster in which nothing breaks and no load changes.
func ConstantLoad() Scenario {
	return Scenario{Hosts: 10, Domains: 40, Calm: 2 * time.Hour, Rested: time.Hour}
}

// Stampede is many overloaded hosts, and one that is cool.
func Stampede() Scenario {
	return Scenario{Hosts: 31, Domains: 31 * 6, Overloaded: 30, Calm: 40 * time.Minute, Rested: 5 * time.Minute}
}

// Length is how long a run takes, in its own time.
func (c Scenario) Length() time.Duration { return c.Disasters + c.Calm }

// crashOdds is one in how many steps of an operation a daemon is killed.
func (c Scenario) crashOdds() int { return 60 }

const hostCPU = 8000

// setUp makes the world, starts the daemons and plans the disasters.
func (s *Sim) setUp() {
	c := s.o.Scenario
	s.tuneUp()
	spec := fake.Spec{Migration: fake.DefaultMigration()}
	spec.Migration.SwitchOver = fake.Duration(s.within(20*time.Millisecond, 800*time.Millisecond))
	for i := range c.Hosts {
		spec.Hosts = append(spec.Hosts, fake.HostSpec{
			Name: fmt.Sprintf("h%02d", i+1), CPU: hostCPU, Memory: 32 * fake.GiB, MemoryUsed: 2 * fake.GiB,
			Load: fake.Constant(policy.MilliCPU(s.rng.IntN(300))),
			Link: fake.Size(60+s.rng.IntN(300)) * fake.MiB,
		})
	}
	crowded := c.Overloaded
	if crowded == 0 {
		crowded = 1 + s.rng.IntN(c.Hosts/2)
	}
	for i := range c.Domains {
		d := fake.DomainSpec{
			Name: fmt.Sprintf("vm%03d", i+1), VCPUs: 1 + s.rng.IntN(4),
			Memory: fake.Size(512+s.rng.IntN(4096)) * fake.MiB, DirtyRate: fake.Size(s.rng.IntN(40)) * fake.MiB,
			Transient: s.chance(4), Autostart: s.chance(2), Rules: s.rules(),
		}
		at := s.rng.IntN(c.Hosts)
		switch {
		case c.Overloaded > 0: // even, and none on the cool host
			at = i % crowded
			d.VCPUs, d.Memory = 2, fake.Size(1024+s.rng.IntN(1024))*fake.MiB
			d.Demand = fake.Constant(policy.MilliCPU(1150 + s.rng.IntN(100)))
		case s.rng.IntN(3) > 0:
			at = s.rng.IntN(crowded)
			fallthrough
		default:
			d.Demand = s.demand(d.VCPUs)
		}
		if d.Transient {
			d.Autostart = false
		}
		d.Host = spec.Hosts[at].Name
		spec.Domains = append(spec.Domains, d)
	}
	s.truth = map[policy.DomainID]policy.MilliCPU{}
	for _, d := range spec.Domains {
		s.truth[fake.DomainID(d.Name)] = d.Demand.Constant
	}
	world, err := fake.New(spec)
	if err != nil {
		panic(err) // the scenario is ours
	}
	s.world = world
	for i, hs := range spec.Hosts {
		hv, err := world.Hypervisor(hs.Name)
		if err != nil {
			panic(err)
		}
		facts := policy.HostFacts{
			ID: fake.HostID(hs.Name), Name: hs.Name,
			Capacity: policy.Load{CPU: hs.CPU, Memory: policy.Bytes(hs.Memory)},
			Endpoint: policy.Endpoint{Migration: hs.Name, Peer: hs.Name},
			Labels:   s.labels(),
		}
		h := &host{
			s: s, name: hs.Name, own: hs.Load.Constant, facts: facts, hv: hv, heard: make([]heard, c.Hosts),
			disk:   newDisk(rand.New(rand.NewPCG(s.o.Seed, uint64(i)))),
			offset: s.within(-time.Second, time.Second),
		}
		h.disk.lies = s.o.Plant == SkippedSync
		s.hosts = append(s.hosts, h)
		s.byID[facts.ID] = h
	}
	s.net.cut = map[*host]map[*host]bool{}
	for _, h := range s.hosts {
		s.net.cut[h] = map[*host]bool{}
		s.after(s.within(0, s.tune.Interval), h.start)
	}
	for _, d := range spec.Domains {
		s.domains = append(s.domains, domain{name: d.Name, id: fake.DomainID(d.Name), vcpus: d.VCPUs, rules: d.Rules})
	}
	s.tracef("strategy %s, detector %s, rules %t", s.tune.Policy.Strategy, s.tune.Policy.Detector, s.ruled)
	s.calm = c.Disasters == 0
	if !s.calm {
		s.brew()
		s.after(c.Disasters, s.mend)
	}
}

// tuneUp chooses a configuration: the proportions of the defaults, with the
// long times shortened so that a run has many moves.
func (s *Sim) tuneUp() {
	p := policy.DefaultConfig()
	p.SamplesOver, p.SamplesWindow = 2, 3
	p.Cooldown, p.CooldownMax, p.CooldownWindow = 4*time.Minute, 16*time.Minute, time.Hour
	p.Settle = s.within(20*time.Second, 90*time.Second)
	p.FailedBackoff = time.Minute
	p.AuditSoon, p.AuditLate = time.Minute, 4*time.Minute
	p.QuarantineTime, p.QuarantineWindow = 2*time.Minute, 10*time.Minute
	p.BreakerFailures, p.BreakerReset = s.rng.IntN(4), 2*time.Minute
	p.Swaps = s.o.Scenario.Overloaded == 0
	p.MaxInbound, p.MaxOutbound = 1+s.rng.IntN(2), 1+s.rng.IntN(2)
	if s.o.Scenario.Varied {
		p.Strategy = policy.Strategies()[s.vary.IntN(len(policy.Strategies()))]
		p.Detector = policy.Detectors()[s.vary.IntN(len(policy.Detectors()))]
		s.ruled = s.vary.IntN(2) == 0
	}
	s.tune = balancer.Tuning{
		Policy: p, Mode: policy.AutoMode,
		Interval: 20 * time.Second, TimeConstant: 40 * time.Second, ReserveTTL: 30 * time.Second,
	}
	s.move = balancer.TransferOptions{
		URI: "sim://{host}", DeadlineFactor: 4, DeadlineMin: s.within(20*time.Second, 2*time.Minute),
		MaxDowntime: 300 * time.Millisecond,
	}
}

// demand draws what a guest wants.
func (s *Sim) demand(vcpus int) fake.Profile {
	return fake.Constant(policy.MilliCPU(s.rng.IntN(1000*vcpus + 1)))
}

// domain is one VM, as far as the simulation knows it.
type domain struct {
	name  string
	id    policy.DomainID
	vcpus int
	rules policy.Rules
}

func (s *Sim) domainName(id policy.DomainID) string {
	for _, d := range s.domains {
		if d.id == id {
			return d.name
		}
	}
	return string(id)
}
