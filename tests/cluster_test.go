package tests

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// hosts makes n hosts of 10 CPUs and 64 GiB, each with three domains of half a
// CPU.
func hosts(n int) fake.Spec {
	var s fake.Spec
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("h%d", i)
		s.Hosts = append(s.Hosts, fake.HostSpec{Name: name, CPU: 10_000, Memory: 64 * fake.GiB})
		for _, letter := range []string{"a", "b", "c"} {
			s.Domains = append(s.Domains, fake.DomainSpec{
				Name: fmt.Sprintf("%s%d", letter, i), Host: name, VCPUs: 8, Memory: 2 * fake.GiB,
				DirtyRate: 10 * fake.MiB, Demand: fake.Constant(500),
			})
		}
	}
	return s
}

// heat changes the demand of a domain.
func (f *fleet) heat(domain string, cpu policy.MilliCPU) {
	f.t.Helper()
	demand := fake.Constant(cpu)
	if err := f.world.Do(fake.Action{Do: fake.SetDemand, Domain: domain, Demand: &demand}); err != nil {
		f.t.Fatal(err)
	}
}

const settled = 2 * time.Minute // for gossip to converge and samples to accumulate

func TestOverloadIsRelieved(t *testing.T) {
	inFleet(t, hosts(5), func(f *fleet) {
		time.Sleep(settled)
		f.heat("a1", 4000)
		f.heat("b1", 4000)
		took := f.eventually(5*time.Minute, "a domain leaves h1", func() bool { return f.migrations() == 1 })
		if hold := 4 * 20 * time.Second; took < hold-25*time.Second {
			t.Errorf("moved after %s: sooner than the load was sustained", took)
		}
		m := f.world.Migrations()[0]
		if m.From != "h1" || !m.Arrived {
			t.Errorf("migration: %+v", m)
		}
		time.Sleep(20 * time.Minute)
		if n := f.migrations(); n != 1 {
			t.Errorf("%d migrations under constant load, want 1: %+v", n, f.world.Migrations())
		}
		ended := f.host("h1").decisions.operations()
		if len(ended) != 1 || ended[0].Outcome.Result != policy.Succeeded || ended[0].Outcome.Downtime <= 0 {
			t.Errorf("operations of h1: %+v", ended)
		}
	})
}

func TestSpikeMovesNothing(t *testing.T) {
	inFleet(t, hosts(5), func(f *fleet) {
		time.Sleep(settled)
		said := ""
		for range 5 {
			f.heat("a1", 8000)
			time.Sleep(50 * time.Second) // 2 or 3 samples
			if s, err := f.host("h1").daemon().Status(f.t.Context()); err == nil && s.Hold == policy.Sustaining {
				said = s.HoldText
			}
			f.heat("a1", 500)
			time.Sleep(2 * time.Minute)
		}
		if n := f.migrations(); n != 0 {
			t.Errorf("%d migrations for spikes", n)
		}
		if !f.host("h1").decisions.held(policy.Sustaining) {
			t.Error("the spikes were not even seen")
		}
		if how := regexp.MustCompile(`\([1-3] of 6 samples are; 4 must be\)$`); !how.MatchString(said) {
			t.Errorf("the status does not say how near h1 was to being relieved: %q", said)
		}
	})
}

// TestOneCoolHost: two hosts are overloaded at once and one has room; it is
// never promised beyond its receive mark, and never used beyond it.
func TestOneCoolHost(t *testing.T) {
	spec := hosts(5)
	for i := range spec.Hosts {
		if spec.Hosts[i].Name > "h3" {
			spec.Hosts[i].Load = fake.Constant(5500) // h4 and h5: 70 %, in the dead band
		}
	}
	inFleet(t, spec, func(f *fleet) {
		time.Sleep(settled)
		for _, d := range []string{"a1", "b1", "c1", "a2", "b2", "c2"} {
			f.heat(d, 3200)
		}
		for range 60 * 60 {
			time.Sleep(time.Second)
			for _, h := range f.world.Report().Hosts {
				if h.Name == "h3" && h.Used > 6400+600 { // a migration costs half a CPU while it runs
					t.Fatalf("h3 uses %s of 10 CPUs", h.Used)
				}
			}
			if self := f.host("h3").self(); self.Utilization(policy.CPU) > 0.64+0.06 {
				t.Fatalf("h3 has used and promised %s", self.Utilization(policy.CPU))
			}
		}
		if n := f.migrations(); n == 0 {
			t.Error("nobody was relieved")
		}
		for _, name := range []string{"h4", "h5"} {
			for _, m := range f.world.Migrations() {
				if m.To == name {
					t.Errorf("%s went to %s, which was in its dead band", m.Domain, name)
				}
			}
		}
	})
}

// TestMinorityMovesNothing: a host that is cut off from most of the fleet waits
// for it, and acts once it is back. memberlist alone would never heal this cut.
func TestMinorityMovesNothing(t *testing.T) {
	inFleet(t, hosts(7), func(f *fleet) {
		time.Sleep(settled)
		f.partition("h1", "h2", "h3")
		time.Sleep(2 * time.Minute)
		f.heat("a1", 4000)
		f.heat("b1", 4000)
		time.Sleep(8 * time.Minute)
		if n := f.migrations(); n != 0 {
			t.Errorf("a minority of three made %d migrations: %+v", n, f.world.Migrations())
		}
		if hold := f.host("h1").decisions.decision().Hold; hold != policy.Minority {
			t.Errorf("h1 holds because %s, want %s", hold, policy.Minority)
		}
		f.heal()
		f.eventually(3*time.Minute, "the fleet heals and h1 is relieved", func() bool { return f.migrations() == 1 })
	})
}

// TestMajorityGoesOn: the other side of the same cut does its work.
func TestMajorityGoesOn(t *testing.T) {
	inFleet(t, hosts(5), func(f *fleet) {
		time.Sleep(settled)
		f.partition("h4", "h5")
		time.Sleep(2 * time.Minute)
		f.heat("a1", 4000)
		f.heat("b1", 4000)
		f.eventually(5*time.Minute, "h1 is relieved by its side", func() bool { return f.migrations() == 1 })
		if to := f.world.Migrations()[0].To; to != "h2" && to != "h3" {
			t.Errorf("moved to %s across the cut", to)
		}
	})
}

// TestEveryDomainRefused: nothing can move, and the decision says why for each.
func TestEveryDomainRefused(t *testing.T) {
	spec := hosts(3)
	for i, d := range spec.Domains {
		if d.Host == "h1" {
			spec.Domains[i].Obstacle = policy.Passthrough
		}
	}
	inFleet(t, spec, func(f *fleet) {
		time.Sleep(settled)
		f.heat("a1", 4000)
		f.heat("b1", 4000)
		time.Sleep(10 * time.Minute)
		if n := f.migrations(); n != 0 {
			t.Errorf("%d migrations", n)
		}
		d := f.host("h1").decisions.decision()
		reasons := map[string]policy.Reason{}
		for _, v := range d.Verdicts {
			if v.Host == "" {
				reasons[v.Name] = v.Reason
			}
		}
		if d.Hold != policy.NoFeasibleHost || len(reasons) != 3 {
			t.Errorf("held because %s, verdicts %v", d.Hold, reasons)
		}
		for name, why := range reasons {
			if why != policy.Passthrough {
				t.Errorf("%s stays because %s", name, why)
			}
		}
	})
}

// TestSourceDaemonDies: the daemon of the source dies in mid-migration. The
// migration goes on; the next life of the daemon finds out how it ended.
func TestSourceDaemonDies(t *testing.T) {
	for _, pause := range []time.Duration{time.Second, time.Minute} {
		t.Run(pause.String(), func(t *testing.T) {
			inFleet(t, slowHosts(5), func(f *fleet) {
				time.Sleep(settled)
				f.heat("a1", 4000)
				f.heat("b1", 4000)
				f.eventually(5*time.Minute, "a migration runs", func() bool { _, out := f.world.Peak("h1"); return out == 1 })
				f.host("h1").kill()
				time.Sleep(pause)
				f.host("h1").start()
				f.eventually(3*time.Minute, "the journal is closed", func() bool { return len(f.host("h1").decisions.operations()) == 1 })
				o := f.host("h1").decisions.operations()[0]
				if o.Outcome.Result != policy.Succeeded || len(f.world.RunsOn(o.Move.Name)) != 1 || f.world.RunsOn(o.Move.Name)[0] == "h1" {
					t.Errorf("ended as %+v, runs on %v", o.Outcome, f.world.RunsOn(o.Move.Name))
				}
			})
		})
	}
}

// TestTargetDaemonDies: the target's daemon dies in mid-migration. Until it is
// back the source does not know where the domain is, and does nothing about it.
func TestTargetDaemonDies(t *testing.T) {
	inFleet(t, slowHosts(5), func(f *fleet) {
		time.Sleep(settled)
		f.heat("a1", 4000)
		f.heat("b1", 4000)
		f.eventually(5*time.Minute, "a migration runs", func() bool { _, out := f.world.Peak("h1"); return out == 1 })
		var target *host
		for _, h := range f.hosts {
			if in, _ := f.world.Peak(h.name); in == 1 {
				target = h
			}
		}
		target.kill()
		time.Sleep(5 * time.Minute)
		if n := len(f.host("h1").decisions.operations()); n != 0 {
			t.Errorf("%d operations closed without knowing the target", n)
		}
		target.start()
		f.eventually(2*time.Minute, "the journal is closed", func() bool { return len(f.host("h1").decisions.operations()) == 1 })
		if o := f.host("h1").decisions.operations()[0]; o.Outcome.Result != policy.Succeeded {
			t.Errorf("ended as %+v", o.Outcome)
		}
	})
}

// slowHosts are hosts whose migrations take about 20 s.
func slowHosts(n int) fake.Spec {
	s := hosts(n)
	for i := range s.Hosts {
		s.Hosts[i].Link = 100 * fake.MiB
	}
	return s
}

// TestFailures: each way in which a migration goes wrong ends in a true outcome
// or in an alarm, and never in a second copy by our doing.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		kind   fake.FaultKind
		result policy.Result
		alarm  policy.Reason
	}{
		{kind: fake.FaultFail, result: policy.Failed},
		{kind: fake.FaultHang, result: policy.Aborted},
		{kind: fake.FaultLost, result: policy.Failed},
		{kind: fake.FaultUnconfirmed, result: policy.Succeeded},
		{kind: fake.FaultMisreport, result: policy.Succeeded},
		{kind: fake.FaultHusk, alarm: policy.PausedAtSource},
		{kind: fake.FaultLimbo, alarm: policy.PausedAtSource},
		{kind: fake.FaultSplit, alarm: policy.Duplicated},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			spec := slowHosts(5)
			spec.Faults = []fake.Fault{{Kind: tt.kind, From: "h1", At: 0.5, Times: 1}}
			inFleet(t, spec, func(f *fleet) {
				time.Sleep(settled)
				f.heat("a1", 4000)
				f.heat("b1", 4000)
				h1 := f.host("h1")
				if tt.alarm == policy.OK {
					f.eventually(10*time.Minute, "the operation ends", func() bool { return len(h1.decisions.operations()) > 0 })
					if o := h1.decisions.operations()[0]; o.Outcome.Result != tt.result {
						t.Errorf("ended as %+v, want %s", o.Outcome, tt.result)
					}
					return
				}
				f.eventually(10*time.Minute, "the alarm is raised", func() bool {
					s, err := h1.daemon().Status(f.t.Context())
					return err == nil && len(s.Operations) == 1 && s.Operations[0].Alarm == tt.alarm
				})
				before := f.world.Migrations()
				target := f.host(before[len(before)-1].To)
				f.eventually(time.Minute, "the target knows", func() bool {
					s, err := target.daemon().Status(f.t.Context())
					return err == nil && len(s.Alarms) == 1 && s.Alarms[0].Reason == tt.alarm && s.Alarms[0].FromName == "h1"
				})
				time.Sleep(30 * time.Minute)
				both := []string{"h1", target.name}
				for _, name := range both {
					if hold := f.host(name).decisions.decision().Hold; hold != policy.FrozenHost {
						t.Errorf("%s goes on although a person must look: %s", name, hold)
					}
				}
				for _, m := range f.world.Migrations()[len(before):] {
					if slices.Contains(both, m.From) || slices.Contains(both, m.To) {
						t.Errorf("moved while frozen: %+v", m)
					}
				}
			})
		})
	}
}

// TestAlarmAfterSilence: what the target says only when its daemon can be reached
// again freezes both hosts like what it says at once.
func TestAlarmAfterSilence(t *testing.T) {
	spec := slowHosts(5)
	spec.Faults = []fake.Fault{{Kind: fake.FaultSplit, From: "h1", At: 0.5, Times: 1}}
	inFleet(t, spec, func(f *fleet) {
		time.Sleep(settled)
		f.heat("a1", 4000)
		f.heat("b1", 4000)
		alarm := func(host string) (own, others policy.Reason, hold policy.Reason) {
			s, err := f.host(host).daemon().Status(f.t.Context())
			if err != nil {
				f.t.Fatal(err)
			}
			if len(s.Operations) > 0 {
				own = s.Operations[0].Alarm
			}
			if len(s.Alarms) > 0 {
				others = s.Alarms[0].Reason
			}
			return own, others, s.Hold
		}
		target, moved := "", ""
		f.eventually(10*time.Minute, "a migration runs", func() bool {
			for _, h := range f.world.Report().Hosts {
				for _, d := range h.Domains {
					if d.Job == policy.MigratingIn {
						target, moved = h.Name, d.Name
					}
				}
			}
			return target != ""
		})
		f.partition(target)
		f.eventually(5*time.Minute, "h1 does not know where the domain runs", func() bool {
			own, _, _ := alarm("h1")
			return own == policy.NotLocated
		})
		if _, _, hold := alarm("h1"); hold == policy.FrozenHost {
			t.Error("h1 is frozen because of what is only to be awaited")
		}
		f.eventually(5*time.Minute, "the target says from whom it waits for word", func() bool {
			e, err := f.host(target).daemon().Explain(f.t.Context(), moved)
			return err == nil && e.Unconfirmed == "h1"
		})
		f.heal()
		f.eventually(3*time.Minute, "both are frozen", func() bool {
			own, _, hold := alarm("h1")
			_, others, held := alarm(target)
			return own == policy.Duplicated && others == policy.Duplicated && hold == policy.FrozenHost && held == policy.FrozenHost
		})
	})
}
