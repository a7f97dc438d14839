package policy_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// anySnapshot draws a fleet at rest, some hosts overloaded.
func anySnapshot(t *rapid.T) policy.Snapshot {
	s := policy.Snapshot{At: start}
	for i := range rapid.IntRange(1, 8).Draw(t, "hosts") {
		h := policy.Host{Received: start}
		h.ID = policy.HostID(fmt.Sprintf("h%d", i))
		h.Capacity = policy.Load{CPU: policy.MilliCPU(rapid.Int64Range(4, 32).Draw(t, "cpus") * 1000), Memory: policy.Bytes(rapid.Int64Range(32, 128).Draw(t, "gib")) * policy.GiB}
		h.Flags = rapid.SampledFrom([]policy.HostFlags{0, 0, 0, policy.Cordoned}).Draw(t, "flags")
		s.Hosts = append(s.Hosts, h)
	}
	for i := range rapid.IntRange(0, 40).Draw(t, "domains") {
		at := rapid.IntRange(0, len(s.Hosts)-1).Draw(t, "at")
		d := policy.PlacedDomain{Host: s.Hosts[at].ID}
		d.ID, d.Known = policy.DomainID(fmt.Sprintf("d%02d", i)), true
		d.Demand = policy.Load{CPU: policy.MilliCPU(rapid.Int64Range(0, 5000).Draw(t, "cpu")), Memory: policy.Bytes(rapid.Int64Range(1, 16).Draw(t, "mem")) * policy.GiB}
		d.MemoryMax = d.Demand.Memory
		d.Obstacle = rapid.SampledFrom([]policy.Reason{policy.OK, policy.OK, policy.OK, policy.Passthrough}).Draw(t, "obstacle")
		s.Hosts[at].Used = s.Hosts[at].Used.Plus(d.Demand)
		s.Domains = append(s.Domains, d)
	}
	return s
}

// rule gives labels to hosts and rules to domains.
func rule(t *rapid.T, s *policy.Snapshot) {
	for i := range s.Hosts {
		s.Hosts[i].Labels = anyLabels(t)
	}
	for i := range s.Domains {
		s.Domains[i].Rules = anyRules(t)
	}
}

func hasAll(labels, required []string) bool {
	return !slices.ContainsFunc(required, func(l string) bool { return !slices.Contains(labels, l) })
}

// apart reports whether a hard rule forbids two domains to be together.
func apart(a, b []policy.Membership) bool {
	return slices.ContainsFunc(a, func(m policy.Membership) bool {
		return m.Rule == policy.AntiAffinity && slices.ContainsFunc(b, func(o policy.Membership) bool {
			return o.Rule == m.Rule && o.Group == m.Group && !(m.Soft && o.Soft)
		})
	})
}

// TestPlansAreValidAtEveryStep carries out plans step by step, in the worst
// order: within a step, all arrive before any leaves.
func TestPlansAreValidAtEveryStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySnapshot(t)
		ruled := rapid.Bool().Draw(t, "with rules")
		if ruled {
			rule(t, &s)
		}
		c := policy.DefaultConfig()
		c.MaxInbound, c.MaxOutbound = rapid.IntRange(1, 3).Draw(t, "in"), rapid.IntRange(1, 3).Draw(t, "out")
		p := policy.Planner{Config: c, Spread: rapid.Bool().Draw(t, "spread"), Deviation: 0.02}
		plan := p.Plan(s)

		load := map[policy.HostID]policy.Load{}
		hosts := map[policy.HostID]policy.Host{}
		for _, h := range s.Hosts {
			load[h.ID], hosts[h.ID] = h.Used, h
		}
		domains := map[policy.DomainID]policy.PlacedDomain{}
		at := map[policy.DomainID]policy.HostID{}
		for _, d := range s.Domains {
			domains[d.ID], at[d.ID] = d, d.Host
		}
		last := 0
		for _, m := range plan.Moves {
			last = max(last, m.Step)
		}
		for step := 1; step <= last; step++ {
			in, out := map[policy.HostID]int{}, map[policy.HostID]int{}
			for _, m := range plan.Moves {
				if m.Step != step {
					continue
				}
				d := domains[m.Domain]
				if d.Host != m.From || d.Obstacle != policy.OK || hosts[m.To].Flags != 0 {
					t.Fatalf("%+v cannot be done", m)
				}
				in[m.To]++
				out[m.From]++
				load[m.To] = load[m.To].Plus(d.Demand)
				to, limit := hosts[m.To].Capacity, c.Marks.Stop
				if m.Reason == policy.Swap {
					limit = c.Marks.High
				}
				if load[m.To].Share(policy.CPU, to) > limit || load[m.To].Share(policy.Memory, to) > c.MemoryReceive {
					t.Fatalf("step %d: %+v brings the target to %v", step, m, load[m.To])
				}
				for id, o := range domains { // those that leave in this step are still there
					if id != m.Domain && at[id] == m.To && apart(d.Groups, o.Groups) {
						t.Fatalf("step %d: %+v goes beside %s", step, m, id)
					}
				}
				if !hasAll(hosts[m.To].Labels, d.Requires) {
					t.Fatalf("step %d: %+v goes where a label is missing", step, m)
				}
				if in[m.To] > c.MaxInbound || out[m.From] > c.MaxOutbound {
					t.Fatalf("step %d has too many migrations at once", step)
				}
			}
			for _, m := range plan.Moves {
				if m.Step == step {
					load[m.From] = load[m.From].Minus(domains[m.Domain].Demand)
					at[m.Domain] = m.To
				}
			}
		}

		// The result, and nothing more to do.
		after := s
		after.Hosts = append([]policy.Host(nil), s.Hosts...)
		for i := range after.Hosts {
			after.Hosts[i].Used = load[after.Hosts[i].ID]
		}
		after.Domains = append([]policy.PlacedDomain(nil), s.Domains...)
		for i := range after.Domains {
			for _, m := range plan.Moves {
				if m.Domain == after.Domains[i].ID {
					after.Domains[i].Host = m.To
				}
			}
		}
		if !ruled && plan.After.Max > plan.Before.Max+1e-9 || plan.After.Overloaded > plan.Before.Overloaded {
			t.Errorf("from %+v to %+v", plan.Before, plan.After)
		}
		if !p.Spread {
			if again := p.Plan(after); plan.After.Overloaded == 0 && len(again.Moves) > 0 {
				t.Errorf("planned %+v\nand then %+v", plan.Moves, again.Moves)
			}
		}
	})
}

func TestPlansTakeFewMoves(t *testing.T) {
	s := policy.Snapshot{At: start}
	add := func(host string, cpus ...float64) {
		h := policy.Host{}
		h.ID, h.Capacity = policy.HostID(host), policy.Load{CPU: 10000, Memory: 256 * policy.GiB}
		for i, cpu := range cpus {
			d := policy.PlacedDomain{Host: h.ID}
			d.ID, d.Known = policy.DomainID(fmt.Sprintf("%s-%d", host, i)), true
			d.Demand = policy.Load{CPU: policy.MilliCPU(cpu * 1000), Memory: policy.Bytes(i+1) * policy.GiB}
			h.Used = h.Used.Plus(d.Demand)
			s.Domains = append(s.Domains, d)
		}
		s.Hosts = append(s.Hosts, h)
	}
	add("hot", 1, 1, 3, 4)
	add("cool", 1)
	plan := policy.Planner{Config: policy.DefaultConfig()}.Plan(s)
	// Any of the domains relieves the host: the third moves the least memory
	// for its load, but for a tie in which the first comes first.
	if len(plan.Moves) != 1 || plan.Moves[0].Domain != "hot-0" || plan.Moves[0].Step != 1 || plan.Moves[0].Reason != policy.Overload {
		t.Errorf("planned %+v", plan.Moves)
	}
	if plan.Before.Overloaded != 1 || plan.After.Overloaded != 0 || plan.Before.Max != 0.9 {
		t.Errorf("from %+v to %+v", plan.Before, plan.After)
	}
	if got := (policy.Planner{Config: policy.DefaultConfig(), Spread: true, MaxMoves: 2}).Plan(s); len(got.Moves) != 2 {
		t.Errorf("a plan of at most two moves has %d", len(got.Moves))
	}
}

func TestSnapshotReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySnapshot(t)
		var b bytes.Buffer
		if err := s.Write(&b); err != nil {
			t.Fatal(err)
		}
		back, err := policy.ReadSnapshot(&b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, s) {
			t.Errorf("wrote %+v\nread %+v", s, back)
		}
	})
}

func TestSnapshotFaults(t *testing.T) {
	for text, want := range map[string]string{
		`{"hots": []}`:                         `unknown field "hots"`,
		`{"hosts": [{}]}`:                      "hosts[0] has no id",
		`{"hosts": [{"id":"a"}]}`:              "host a: capacity",
		`{"domains": [{"id":"d","host":"z"}]}`: `domain d is on host "z", which is not there`,
		`{"hosts": [{"id":"a","capacity":{"cpu_millis":1,"memory_bytes":1}}], "domains": [{"id":"d","host":"a"},{"id":"d","host":"a"}]}`: "domain d is there twice",
		`x`: "read snapshot",
	} {
		if _, err := policy.ReadSnapshot(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func BenchmarkPlan1000Hosts20000Domains(b *testing.B) {
	s := policy.Snapshot{At: start}
	for i := range 1000 {
		h := policy.Host{}
		h.ID, h.Capacity = policy.HostID(fmt.Sprintf("h%04d", i)), policy.Load{CPU: 32000, Memory: 256 * policy.GiB}
		for k := range 20 {
			d := policy.PlacedDomain{Host: h.ID}
			d.ID, d.Known = policy.DomainID(fmt.Sprintf("d%04d-%02d", i, k)), true
			d.Demand = policy.Load{CPU: policy.MilliCPU((i*7919+k*104729)%1900) + policy.MilliCPU(i%3*200), Memory: 4 * policy.GiB}
			h.Used = h.Used.Plus(d.Demand)
			s.Domains = append(s.Domains, d)
		}
		s.Hosts = append(s.Hosts, h)
	}
	p := policy.Planner{Config: policy.DefaultConfig(), Spread: true, Deviation: 0.05}
	for b.Loop() {
		p.Plan(s)
	}
}

// TestSwapInAPlan: neither host has room for a domain of 3 CPUs; together they
// have.
func TestSwapInAPlan(t *testing.T) {
	s := policy.Snapshot{At: start}
	add := func(host string, used policy.MilliCPU, domains ...policy.MilliCPU) {
		h := policy.Host{Received: start}
		h.ID, h.Capacity = policy.HostID(host), policy.Load{CPU: 10_000, Memory: 64 * policy.GiB}
		h.Used = policy.Load{CPU: used}
		for i, cpu := range domains {
			d := policy.PlacedDomain{Host: h.ID}
			d.ID, d.Known = policy.DomainID(fmt.Sprintf("%s-%d", host, i)), true
			d.Demand = policy.Load{CPU: cpu, Memory: policy.GiB}
			h.Used = h.Used.Plus(d.Demand)
			s.Domains = append(s.Domains, d)
		}
		s.Hosts = append(s.Hosts, h)
	}
	moves := func() string {
		var b strings.Builder
		plan := policy.Planner{Config: policy.DefaultConfig()}.Plan(s)
		for _, m := range plan.Moves {
			fmt.Fprintf(&b, "%d %s %s -> %s %s\n", m.Step, m.Domain, m.From, m.To, m.Reason)
		}
		fmt.Fprintf(&b, "%d overloaded\n", plan.After.Overloaded)
		return b.String()
	}
	add("a", 0, 3000, 3000, 3000)
	add("b", 2000, 1000, 2000)
	add("c", 5100)
	if got, want := moves(), "1 b-0 b -> c swap\n2 a-0 a -> b overload\n0 overloaded\n"; got != want {
		t.Errorf("three hosts:\n%swant\n%s", got, want)
	}
	s = policy.Snapshot{At: start}
	add("a", 0, 2400, 3000, 3000)
	add("b", 4200, 1300)
	if got, want := moves(), "1 a-0 a -> b swap\n2 b-0 b -> a swap\n0 overloaded\n"; got != want {
		t.Errorf("two hosts:\n%swant\n%s", got, want)
	}
}
