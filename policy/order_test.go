package policy

import (
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	host := func(id HostID, used MilliCPU) Host {
		return Host{
			HostFacts: HostFacts{ID: id, Capacity: Load{CPU: 4000, Memory: 16 * GiB}},
			HostState: HostState{Used: Load{CPU: used, Memory: GiB}}, Received: now,
		}
	}
	domain := Domain{
		ID: "vm", Name: "vm", Demand: Load{CPU: 1000, Memory: GiB}, MemoryMax: 2 * GiB, Known: true,
		History: MoveHistory{Last: now.Add(-time.Minute), Count: 1}, // cooling down
	}
	base := func() View {
		return View{
			Now: now, Self: "a", Hosts: []Host{host("a", 1500), host("b", 500), host("c", 2400), host("d", 3700)},
			Domains: []Domain{domain}, Utilization: Utilization{Known: true, At: now}, Conditions: Conditions{Known: 4, Paused: true},
		}
	}
	settling := State{SettleUntil: now.Add(time.Minute), Backoffs: []Backoff{{Domain: "vm", Host: "b", Until: now.Add(time.Minute), Reason: PreflightFailed}}}
	for _, tt := range []struct {
		name  string
		order Order
		with  func(*View)
		want  Reason
	}{
		{"room, though cooling down, settling, paused and of no gain", Order{To: "b"}, nil, OK},
		{"over the receive mark", Order{To: "c"}, nil, HostOverReceive},
		{"forced over the receive mark", Order{To: "c", ForceLoad: true}, nil, OK},
		{"forced over the critical mark", Order{To: "d", ForceLoad: true}, nil, HostOverReceive},
		{"forced beyond the memory", Order{To: "b", ForceLoad: true}, func(v *View) { v.Domains[0].MemoryMax = 32 * GiB }, HostMemory},
		{"forced onto a cordoned host", Order{To: "b", ForceLoad: true}, func(v *View) { v.Hosts[1].Flags = Cordoned }, HostCordoned},
		{"forced against a label", Order{To: "b", ForceLoad: true}, func(v *View) { v.Domains[0].Requires = []string{"ssd"} }, LabelMissing},
		{"passthrough", Order{To: "b", ForceLoad: true}, func(v *View) { v.Domains[0].Obstacle = Passthrough }, Passthrough},
		{"here already", Order{To: "a"}, nil, SameHost},
		{"unknown host", Order{To: "x"}, nil, HostStale},
		{"stale host", Order{To: "b"}, func(v *View) { v.Hosts[1].Received = now.Add(-time.Hour) }, HostStale},
		{"unknown domain", Order{To: "b"}, func(v *View) { v.Domains = nil }, SourceGone},
		{"too many at once", Order{To: "b"}, func(v *View) { v.Hosts[0].Outbound = 1 }, InFlight},
		{"frozen", Order{To: "b"}, func(v *View) { v.Conditions.Frozen = true }, FrozenHost},
		{"no journal", Order{To: "b"}, func(v *View) { v.Conditions.JournalUnwritable = true }, JournalUnwritable},
		{"a proposal waits for what a decision waits for", Order{To: "b", Why: Overload}, nil, Settling},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := base()
			if tt.with != nil {
				tt.with(&v)
			}
			if tt.order.Why == OK {
				tt.order.Why = Manual
			}
			tt.order.Domain = "vm"
			m, got := DefaultConfig().Order(v, settling, tt.order)
			if got != tt.want {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			if got != OK {
				return
			}
			if m.From != "a" || m.To != tt.order.To || m.Why != Manual || m.ForceLoad != tt.order.ForceLoad {
				t.Errorf("move %+v", m)
			}
			// The target judges by the same rule.
			v.Self, v.Domains, v.Conditions.Paused = m.To, nil, false
			if got := DefaultConfig().Admit(v, m); got != OK {
				t.Errorf("the target says %v", got)
			}
		})
	}
}
