package policy

import (
	"testing"
	"time"
)

func TestEvacuate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	host := func(id HostID, used MilliCPU) Host {
		return Host{
			HostFacts: HostFacts{ID: id, Name: string(id), Capacity: Load{CPU: 4000, Memory: 16 * GiB}},
			HostState: HostState{Used: Load{CPU: used, Memory: GiB}}, Received: now,
		}
	}
	domain := func(id DomainID, cpu MilliCPU, memory Bytes) Domain {
		return Domain{ID: id, Name: string(id), Demand: Load{CPU: cpu, Memory: memory}, MemoryMax: memory, Known: true}
	}
	pinned := domain("pinned", 100, GiB)
	pinned.Obstacle = PinnedDomain
	busy := host("c", 300)
	busy.Inbound = 1
	v := View{
		Now: now, Self: "a",
		Hosts: []Host{host("a", 2000), host("b", 2400), busy},
		Domains: []Domain{
			domain("small", 100, GiB), domain("large", 1200, 2*GiB), domain("huge", 100, 64*GiB), pinned,
		},
		Utilization: Utilization{Known: true, At: now},
		Conditions:  Conditions{Known: 3},
	}
	c := DefaultConfig()

	stays := func(d Decision) map[DomainID]Reason {
		all := map[DomainID]Reason{}
		for _, v := range d.Verdicts {
			if v.Host == "" {
				all[v.Domain] = v.Reason
			}
		}
		return all
	}

	// A target that is just taking something in does not keep a domain here.
	d := c.Evacuate(v, State{})
	if len(d.Plan) != 2 || d.Hold != OK {
		t.Fatalf("plan %+v, hold %v: want both that can move, and no hold", d.Plan, d.Hold)
	}
	if got := stays(d); len(got) != 2 || got["pinned"] != PinnedDomain || got["huge"] != NoFeasibleHost {
		t.Errorf("stay: %v", got)
	}
	for _, m := range d.Plan {
		if m.ToAfter > c.Marks.Receive {
			t.Errorf("%s would bring %s to %v, above its receive mark", m.Domain, m.To, m.ToAfter)
		}
	}
	if v.Hosts[0].Flags != 0 || v.Hosts[2].Inbound != 1 {
		t.Error("the view has been changed")
	}

	// A refusal for the moment does not count, one for good does and is named.
	until := now.Add(time.Minute)
	refused := State{Backoffs: []Backoff{
		{Domain: "large", Host: "c", Until: until, Reason: StorageMissing},
		{Domain: "small", Host: "c", Until: until, Reason: HostInboundLimit},
	}}
	d = c.Evacuate(v, refused)
	if got := stays(d); got["large"] != NoFeasibleHost || got["small"] != OK {
		t.Errorf("stay: %v, want large and not small", got)
	}
	named := false
	for _, verdict := range d.Verdicts {
		named = named || verdict == Verdict{Domain: "large", Name: "large", Host: "c", Reason: StorageMissing}
	}
	if !named {
		t.Errorf("the reason of the refusal is not named: %+v", d.Verdicts)
	}

	// What holds the drain up is told, whatever could move.
	paused := v
	paused.Conditions.Paused = true
	if d := c.Evacuate(paused, State{}); d.Hold != PausedByOperator {
		t.Errorf("hold %v, want paused", d.Hold)
	}
	restarted := v
	restarted.Utilization.Known = false
	if d := c.Evacuate(restarted, State{}); d.Hold != NoSample {
		t.Errorf("hold %v, want no_sample", d.Hold)
	}
}

func TestDrainInEveryMode(t *testing.T) {
	for _, mode := range []Mode{DryRunMode, ApproveMode, AutoMode} {
		d := Decision{Plan: []Move{{Why: Drain}}}.permitted(View{Conditions: Conditions{Mode: mode}})
		if d.Hold != OK {
			t.Errorf("%v: a drain is held by %v", mode, d.Hold)
		}
		d = Decision{Plan: []Move{{Why: Overload}}}.permitted(View{Conditions: Conditions{Mode: mode}})
		if (d.Hold == OK) != (mode == AutoMode) {
			t.Errorf("%v: relief is held by %v", mode, d.Hold)
		}
	}
}
