package tests

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// A person moves a domain to a host that becomes overloaded by it. What would
// help most is to move it back; but whoever put it there had a reason. The host
// finds relief in its other domains, and leaves this one for its cooldown.
func TestAPersonsMoveIsNotFought(t *testing.T) {
	spec := hosts(5)
	spec.Hosts[0].Load = fake.Constant(5000)
	inFleet(t, spec, func(f *fleet) {
		f.heat("a2", 2500)
		time.Sleep(settled)
		if err := f.world.Do(fake.Action{Do: fake.Migrate, Domain: "a2", To: "h1"}); err != nil {
			t.Fatal(err)
		}
		f.eventually(5*time.Minute, "the person's move ends", func() bool { return f.migrations() == 1 })
		f.eventually(5*time.Minute, "h1 is overloaded and gives", func() bool { return f.migrations() > 1 })

		// A daemon that was restarted meanwhile knows it, too.
		f.host("h1").kill()
		f.host("h1").start()
		time.Sleep(f.tuning.Policy.Cooldown - 10*time.Minute)
		for _, m := range f.world.Migrations()[1:] {
			if m.Domain == "a2" {
				t.Errorf("the person's domain was moved: %+v", m)
			}
			if m.From != "h1" {
				t.Errorf("%+v: only h1 is overloaded", m)
			}
		}
		f.eventually(5*time.Minute, "h1 sees the domain and lets it cool down", func() bool {
			domains, err := f.host("h1").daemon().Domains(f.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range domains {
				if d.Name == "a2" {
					return d.History.Count == 1 && !f.tuning.Policy.CooledDown(d.History, time.Now())
				}
			}
			return false
		})
	})
}

// While a person's migration runs, nobody begins another one of that domain,
// aborts it, or counts its slot as free.
func TestAPersonsMigrationIsNotDisturbed(t *testing.T) {
	spec := hosts(5)
	for i := range spec.Domains {
		if spec.Domains[i].Name == "a1" {
			spec.Domains[i].Memory, spec.Domains[i].MemoryMax = 32*fake.GiB, 32*fake.GiB // for minutes under way
		}
	}
	for i := range spec.Hosts {
		spec.Hosts[i].Link = 100 * fake.MiB
	}
	inFleet(t, spec, func(f *fleet) {
		time.Sleep(settled)
		if err := f.world.Do(fake.Action{Do: fake.Migrate, Domain: "a1", To: "h2"}); err != nil {
			t.Fatal(err)
		}
		f.heat("b1", 5000)
		f.heat("c1", 3000)
		f.eventually(5*time.Minute, "h1 would give, and holds", func() bool { return f.host("h1").decisions.held(policy.InFlight) })
		f.eventually(20*time.Minute, "the person's move ends", func() bool { return f.migrations() > 0 })
		if m := f.world.Migrations()[0]; m.Domain != "a1" || !m.Arrived {
			t.Errorf("the person's migration: %+v", m)
		}
		f.eventually(10*time.Minute, "h1 gives afterwards", func() bool { return f.migrations() > 1 })
	})
}
