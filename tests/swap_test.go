package tests

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// TestExchange: of two hosts one is overloaded, and the other has no room for
// anything that would help. It takes the big domain and gives a small one back;
// neither comes above its stop mark on the way, and then nothing moves any more.
func TestExchange(t *testing.T) {
	spec := fake.Spec{
		Hosts: []fake.HostSpec{
			{Name: "h1", CPU: 10_000, Memory: 64 * fake.GiB}, {Name: "h2", CPU: 10_000, Memory: 64 * fake.GiB},
		},
	}
	spec.Domains = domainsOf([]demand{
		{"big1", "h1", 2200},
		{"big2", "h1", 3000},
		{"big3", "h1", 3000},
		{"small", "h2", 1200},
		{"own", "h2", 3800},
	})
	inTunedFleet(t, spec, swaps, func(f *fleet) {
		f.eventually(30*time.Minute, "both halves are done", func() bool {
			for _, h := range f.world.Report().Hosts {
				if h.Used > 7500+600 && h.Name == "h2" { // a migration costs half a CPU while it runs
					t.Fatalf("%s uses %s of 10 CPUs", h.Name, h.Used)
				}
			}
			return f.migrations() == 2
		})
		if on := f.world.RunsOn("small"); len(on) != 1 || on[0] != "h1" {
			t.Errorf("small runs on %v, want h1", on)
		}
		time.Sleep(3 * time.Hour)
		if n := f.migrations(); n != 2 {
			t.Errorf("%d migrations, want 2: %+v", n, f.world.Migrations())
		}
	})
}

// TestRoomIsMade: two hosts with room for 2.4 CPUs each take a domain of 3 CPUs
// together: one of them gives a small one to the other first.
func TestRoomIsMade(t *testing.T) {
	spec := fake.Spec{}
	for _, name := range []string{"h1", "h2", "h3"} {
		spec.Hosts = append(spec.Hosts, fake.HostSpec{Name: name, CPU: 10_000, Memory: 64 * fake.GiB})
	}
	spec.Domains = domainsOf([]demand{
		{"big1", "h1", 3000},
		{"big2", "h1", 3000},
		{"big3", "h1", 3000},
		{"small2", "h2", 1000},
		{"own2", "h2", 3000},
		{"small3", "h3", 1000},
		{"own3", "h3", 3100},
	})
	inTunedFleet(t, spec, swaps, func(f *fleet) {
		f.eventually(30*time.Minute, "room is made and taken", func() bool {
			for _, h := range f.hosts {
				if self := h.self(); h.name != "h1" && self.Utilization(policy.CPU) > 0.64+0.06 {
					t.Fatalf("%s has used and promised %s", h.name, self.Utilization(policy.CPU))
				}
			}
			return f.migrations() == 2
		})
		moves := f.world.Migrations()
		if moves[0].From == "h1" || moves[1].From != "h1" {
			t.Errorf("migrations: %+v", moves)
		}
		time.Sleep(3 * time.Hour)
		if n := f.migrations(); n != 2 {
			t.Errorf("%d migrations, want 2: %+v", n, f.world.Migrations())
		}
	})
}

func swaps(c *policy.Config) { c.Swaps = true }

// demand is what a domain on a host wants, always.
type demand struct {
	name, host string
	cpu        policy.MilliCPU
}

func domainsOf(demands []demand) (domains []fake.DomainSpec) {
	for _, d := range demands {
		domains = append(domains, fake.DomainSpec{
			Name: d.name, Host: d.host, VCPUs: 8, Memory: 2 * fake.GiB, DirtyRate: 10 * fake.MiB, Demand: fake.Constant(d.cpu),
		})
	}
	return domains
}
