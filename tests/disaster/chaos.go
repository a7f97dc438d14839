package disaster

import (
	"math"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// kinds are the disasters. Each seed leaves some of them out, so that not
// everything drowns in everything.
func (s *Sim) kinds() []func() {
	all := []func(){
		s.killDaemon, s.killDaemon, s.killInSync, s.losePower, s.jumpClock,
		func() { s.breakLibvirt(fake.LibvirtDown) }, func() { s.breakLibvirt(fake.LibvirtHang) },
		s.isolate, s.split, s.degrade, s.fillDisk, s.pullCable,
		s.migrateByHand, s.migrateByHand, s.shutDown, s.disturbGuest, s.spoilMigration, s.spoilMigration,
		s.blindHost, s.pauseDaemon,
	}
	if s.o.Scenario.Deaf {
		all = []func(){
			s.degrade, s.degrade, s.isolate, s.pullCable, s.killDaemon,
			func() { s.breakLibvirt(fake.LibvirtDown) }, func() { s.breakLibvirt(fake.LibvirtHang) },
		}
	}
	var some []func()
	for _, kind := range all {
		if s.rng.IntN(5) < 3 {
			some = append(some, kind)
		}
	}
	return some
}

// brew plans changes of load and disasters, until all is mended.
func (s *Sim) brew() {
	kinds := s.kinds()
	pace := s.within(5*time.Second, 40*time.Second)
	var load, strike func()
	load = func() {
		if s.calm {
			return
		}
		d := s.anyDomain()
		profile := s.demand(d.vcpus)
		s.do(fake.Action{Do: fake.SetDemand, Domain: d.name, Demand: &profile})
		s.after(s.within(time.Second, 20*time.Second), load)
	}
	strike = func() {
		if s.calm {
			return
		}
		s.r.Disasters++
		if len(kinds) > 0 {
			kinds[s.rng.IntN(len(kinds))]()
		}
		s.after(s.within(0, 2*pace), strike)
	}
	if s.ruled {
		s.after(s.within(time.Minute, 2*time.Minute), s.relabel)
	}
	s.after(time.Minute, load)
	s.after(time.Minute, strike)
}

// for now and until later, unless everything has been mended by then.
func (s *Sim) during(least, most time.Duration, undo func()) {
	s.after(s.within(least, most), func() {
		if !s.calm {
			undo()
		}
	})
}

// do has something happen in the world.
func (s *Sim) do(a fake.Action) {
	s.tracef("-- %s %s%s%s", a.Do, a.Host, a.Domain, to(a))
	s.quietly(a)
}

// quietly is do without a line in the trace.
func (s *Sim) quietly(a fake.Action) {
	if err := s.world.Do(a); err != nil {
		panic(err) // the action is ours
	}
}

func to(a fake.Action) string {
	switch {
	case a.Fault != nil:
		return string(a.Fault.Kind) + " for " + a.Fault.Domain
	case a.To != "":
		return " to " + a.To
	default:
		return ""
	}
}

func (s *Sim) anyHost() *host    { return s.hosts[s.rng.IntN(len(s.hosts))] }
func (s *Sim) anyDomain() domain { return s.domains[s.rng.IntN(len(s.domains))] }

// busyHost prefers hosts that have something to lose.
func (s *Sim) busyHost() *host {
	var busy []*host
	for _, h := range s.hosts {
		for _, d := range s.hosts {
			for _, dr := range d.drivers {
				if d == h || dr.o.Move.To == h.facts.ID {
					busy = append(busy, h)
					break
				}
			}
		}
	}
	if len(busy) == 0 || s.chance(3) {
		return s.anyHost()
	}
	return busy[s.rng.IntN(len(busy))]
}

func (s *Sim) killDaemon() { s.busyHost().crash() }

// killInSync kills a daemon in the middle of one of its next syncs.
func (s *Sim) killInSync() { s.busyHost().disk.crashIn = 1 + s.rng.IntN(6) }

func (s *Sim) losePower() {
	h := s.busyHost()
	if h.off {
		return
	}
	s.do(fake.Action{Do: fake.PowerOff, Host: h.name})
	s.check.dark[h.name] = s.check.now()
	h.off = true
	h.crash()
	s.during(20*time.Second, 3*time.Minute, func() { s.power(h) })
}

func (s *Sim) power(h *host) {
	if h.off {
		h.off = false
		s.do(fake.Action{Do: fake.PowerOn, Host: h.name})
		s.after(s.within(time.Second, 20*time.Second), h.start)
	}
}

// jumpClock sets a clock wrong by seconds to hours. A running daemon is not
// touched by that: its times are monotonic. Its next life is.
func (s *Sim) jumpClock() {
	h := s.anyHost()
	far := time.Duration(math.Exp(s.rng.Float64()*9)) * time.Second // 1 s to 2 h
	h.crash()
	h.offset = s.within(-far, far)
	s.check.jumped(h.offset)
}

func (s *Sim) breakLibvirt(how fake.Verb) {
	h := s.busyHost()
	s.do(fake.Action{Do: how, Host: h.name})
	s.during(time.Second, 2*time.Minute, func() { s.do(fake.Action{Do: fake.LibvirtUp, Host: h.name}) })
}

// isolate cuts one host off, in one direction or both.
func (s *Sim) isolate() {
	h, how := s.busyHost(), s.rng.IntN(3)
	s.tracef("-- isolate %s (%d)", h.name, how)
	s.cut(func(a, b *host) bool { return how < 2 && a == h || how != 1 && b == h })
}

// split cuts the cluster in two.
func (s *Sim) split() {
	side := map[*host]bool{}
	for _, h := range s.hosts {
		side[h] = s.chance(2)
	}
	s.tracef("-- split")
	s.cut(func(a, b *host) bool { return side[a] != side[b] })
}

func (s *Sim) cut(cut func(a, b *host) bool) {
	for _, a := range s.hosts {
		for _, b := range s.hosts {
			if cut(a, b) {
				s.net.cut[a][b] = true
			}
		}
	}
	s.during(time.Second, 2*time.Minute, func() {
		for _, a := range s.hosts {
			for _, b := range s.hosts {
				if cut(a, b) {
					s.net.cut[a][b] = false
				}
			}
		}
		s.tracef("-- joined again")
	})
}

// degrade makes the network slow, lossy and repetitive.
func (s *Sim) degrade() {
	s.net.slow = s.within(10*time.Millisecond, 25*time.Second)
	s.net.loss, s.net.repeat = 2+s.rng.IntN(20), 1+s.rng.IntN(10)
	s.tracef("-- network slow by %s, 1 in %d lost, 1 in %d repeated", s.net.slow, s.net.loss, s.net.repeat)
	s.during(10*time.Second, 3*time.Minute, func() { s.net.slow, s.net.loss, s.net.repeat = 0, 0, 0 })
}

func (s *Sim) fillDisk() {
	h := s.busyHost()
	h.disk.full = true
	s.tracef("-- disk of %s full", h.name)
	s.during(10*time.Second, 4*time.Minute, func() { h.disk.full = false })
}

func (s *Sim) pullCable() {
	h := s.busyHost()
	s.do(fake.Action{Do: fake.CableOut, Host: h.name})
	s.during(time.Second, 90*time.Second, func() { s.do(fake.Action{Do: fake.CableIn, Host: h.name}) })
}

// migrateByHand is what a person does with virsh.
func (s *Sim) migrateByHand() {
	d, h := s.anyDomain(), s.anyHost()
	s.touch(d)
	s.do(fake.Action{Do: fake.Migrate, Domain: d.name, To: h.name})
}

// shutDown has a guest power itself off, and a person start it again later.
func (s *Sim) shutDown() {
	d := s.movingDomain()
	s.touch(d)
	s.do(fake.Action{Do: fake.Shutdown, Domain: d.name})
	s.during(5*time.Second, 2*time.Minute, func() {
		for _, h := range s.hosts {
			s.do(fake.Action{Do: fake.Boot, Domain: d.name, Host: h.name})
		}
	})
}

// movingDomain prefers a domain that is on its way.
func (s *Sim) movingDomain() domain {
	var moving []domain
	for _, d := range s.domains {
		for _, h := range s.hosts {
			for _, dr := range h.drivers {
				if dr.o.Move.Domain == d.id {
					moving = append(moving, d)
					break
				}
			}
		}
	}
	if len(moving) == 0 || s.chance(3) {
		return s.anyDomain()
	}
	return moving[s.rng.IntN(len(moving))]
}

// disturbGuest has a person pause a guest, run a backup on it or abort what
// migrates it.
func (s *Sim) disturbGuest() {
	d := s.movingDomain()
	s.touch(d)
	verbs := [][2]fake.Verb{
		{fake.Pause, fake.Unpause}, {fake.JobOn, fake.JobOff}, {fake.Abort, fake.Abort}, {fake.HideStats, fake.ShowStats},
	}
	v := verbs[s.rng.IntN(len(verbs))]
	s.do(fake.Action{Do: v[0], Domain: d.name})
	s.during(time.Second, time.Minute, func() {
		if v[1] != fake.Unpause || !s.check.alarmed(d.id) {
			s.do(fake.Action{Do: v[1], Domain: d.name})
		}
	})
}

// spoilMigration has the next migrations of a domain go wrong.
func (s *Sim) spoilMigration() {
	kinds := []fake.FaultKind{
		fake.FaultFail, fake.FaultHang, fake.FaultStuck, fake.FaultLost, fake.FaultUnconfirmed,
		fake.FaultMisreport, fake.FaultHusk, fake.FaultLimbo, fake.FaultSplit,
	}
	f := fake.Fault{
		Kind: kinds[s.rng.IntN(len(kinds))], Domain: s.movingDomain().name,
		At: policy.Fraction(s.rng.Float64()), For: fake.Duration(s.within(time.Second, 2*time.Minute)), Times: 1,
	}
	s.do(fake.Action{Do: fake.AddFault, Fault: &f})
}

// blindHost takes a host's own counters away.
func (s *Sim) blindHost() {
	h := s.anyHost()
	if s.chance(2) {
		s.do(fake.Action{Do: fake.Rewind, Host: h.name, By: fake.Duration(s.within(time.Second, 10*time.Minute))})
		return
	}
	s.do(fake.Action{Do: fake.ProcDown, Host: h.name})
	s.during(time.Second, 90*time.Second, func() { s.do(fake.Action{Do: fake.ProcUp, Host: h.name}) })
}

func (s *Sim) pauseDaemon() {
	h := s.anyHost()
	if !h.up {
		return
	}
	s.tracef("-- pause %s", h.name)
	h.core.SetPaused(true)
	s.during(time.Second, 2*time.Minute, func() {
		if h.up {
			h.core.SetPaused(false)
		}
	})
}

// mend repairs everything, for good.
func (s *Sim) mend() {
	s.tracef("-- everything is mended")
	s.calm = true
	s.net = network{cut: map[*host]map[*host]bool{}}
	for _, h := range s.hosts {
		s.net.cut[h] = map[*host]bool{}
		h.disk.full, h.disk.crashIn = false, 0
		s.power(h)
		for _, v := range []fake.Verb{fake.LibvirtUp, fake.CableIn, fake.ProcUp} {
			s.quietly(fake.Action{Do: v, Host: h.name})
		}
		if h.up {
			h.core.SetPaused(false)
		}
	}
	for _, d := range s.domains {
		for _, v := range []fake.Verb{fake.JobOff, fake.ShowStats} {
			s.quietly(fake.Action{Do: v, Domain: d.name})
		}
		if !s.check.alarmed(d.id) { // a guest that somebody paused
			s.quietly(fake.Action{Do: fake.Unpause, Domain: d.name})
		}
	}
}

// touch notes that a person or the guest itself has had a hand in where a
// domain is.
func (s *Sim) touch(d domain) { s.check.touched(d.id) }
