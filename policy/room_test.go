package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// fleetOf is a snapshot of equal hosts with 10 CPUs and 64 GiB, each with
// domains that use so many thousandths of a CPU and a GiB.
func fleetOf(hosts ...[]policy.MilliCPU) policy.Snapshot {
	s := policy.Snapshot{At: start}
	for i, domains := range hosts {
		h := policy.Host{HostFacts: policy.HostFacts{ID: policy.HostID('a' + rune(i)), Capacity: policy.Load{CPU: 10_000, Memory: 64 * policy.GiB}}}
		h.Running = len(domains)
		for k, cpu := range domains {
			load := policy.Load{CPU: cpu, Memory: policy.GiB}
			h.Used = h.Used.Plus(load)
			s.Domains = append(s.Domains, policy.PlacedDomain{Host: h.ID, Domain: policy.Domain{
				ID: policy.DomainID(string(h.ID) + string('0'+rune(k))), Demand: load, MemoryMax: policy.GiB, Known: true,
			}})
		}
		s.Hosts = append(s.Hosts, h)
	}
	return s
}

func TestPlannerHeadroom(t *testing.T) {
	type load = []policy.MilliCPU
	for name, tc := range map[string]struct {
		fleet    policy.Snapshot
		room     int
		survives bool
		exact    bool
	}{
		"nobody":                 {fleetOf(), 0, false, false},
		"alone":                  {fleetOf(load{1000}), 5, false, true},
		"alone and idle":         {fleetOf(load{}), 0, true, true},
		"half full":              {fleetOf(load{2000, 2000}, load{2000, 2000}, load{2000, 2000}), 3, true, true},
		"full":                   {fleetOf(load{3000, 3000}, load{3000, 3000}), 0, false, true},
		"enough, but scattered":  {fleetOf(load{6000}, load{3000}, load{3000}, load{3000}), 3, false, true},
		"what is scattered fits": {fleetOf(load{2000, 2000, 2000}, load{3000}, load{3000}, load{3000}), 3, true, true},
	} {
		r := policy.Planner{Config: policy.DefaultConfig()}.Headroom(tc.fleet)
		if r.Domains != tc.room || r.Survives != tc.survives || r.Exact != tc.exact {
			t.Errorf("%s: %+v, want room %d, survives %t, exact %t", name, r, tc.room, tc.survives, tc.exact)
		}
	}
}

// A snapshot that a daemon wrote has the domains of one host: then room is only
// summed up, and the answer says so.
func TestPlannerHeadroomWithoutAllDomains(t *testing.T) {
	s := fleetOf([]policy.MilliCPU{6000}, []policy.MilliCPU{3000}, []policy.MilliCPU{3000}, []policy.MilliCPU{3000})
	s.Domains = s.Domains[1:2]
	if r := (policy.Planner{Config: policy.DefaultConfig()}).Headroom(s); r.Exact || !r.Survives {
		t.Errorf("%+v, want a bound that holds in sum", r)
	}
}

// With a host that runs nothing goes only its own work, which nobody has to take.
func TestAnIdleHostIsNotMissed(t *testing.T) {
	v := policy.View{Now: start, Self: "a", Hosts: fleetOf([]policy.MilliCPU{5000}, nil).Hosts}
	for i := range v.Hosts {
		v.Hosts[i].Received = start
	}
	busy := &v.Hosts[1] // twice as large, and busy with something else
	busy.Capacity = policy.Load{CPU: 20_000, Memory: 128 * policy.GiB}
	busy.Used = policy.Load{CPU: 10_000, Memory: 60 * policy.GiB}
	if r := policy.DefaultConfig().Headroom(v, policy.Load{}); !r.Survives || r.Hardest != "a" {
		t.Errorf("%+v, want a the hardest to lose", r)
	}
	busy.Running = 1
	if r := policy.DefaultConfig().Headroom(v, policy.Load{}); r.Survives || r.Hardest != "b" {
		t.Errorf("%+v, want that what b runs does not fit", r)
	}
}

func TestHeadroomWithoutASize(t *testing.T) {
	v := policy.View{Now: start, Self: "a", Hosts: fleetOf([]policy.MilliCPU{1000}).Hosts}
	if r := policy.DefaultConfig().Headroom(v, policy.TypicalSize(nil)); r.Domains != 0 || r.Binding != policy.OK || r.Hosts != 1 {
		t.Errorf("%+v, want no room and no reason", r)
	}
}

func anySize(t *rapid.T) policy.Load {
	return policy.Load{
		CPU:    policy.MilliCPU(rapid.Int64Range(0, 8000).Draw(t, "size")),
		Memory: policy.Bytes(rapid.Int64Range(1, 64).Draw(t, "size in GiB/4")) * policy.GiB / 4,
	}
}

// As many as are counted on a host can be put there, one more cannot.
func TestRoomIsWithinTheMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v, size := policy.DefaultConfig(), anyView(t), anySize(t)
		total := 0
		for _, room := range c.Find(v, size, nil) {
			h, _ := v.Host(room.Host)
			after := h.Committed()
			for range room.Times {
				after = after.Plus(size)
			}
			fits := func(l policy.Load) bool {
				return l.Share(policy.CPU, h.Capacity) <= c.Marks.Receive && l.Share(policy.Memory, h.Capacity) <= c.MemoryReceive
			}
			if room.Times > 0 && (!fits(after) || fits(after.Plus(size))) {
				t.Errorf("%s has room for %d of %+v", h.ID, room.Times, size)
			}
			total += room.Times
		}
		if r := c.Headroom(v, size); r.Domains != total {
			t.Errorf("%d in all, %d host by host", r.Domains, total)
		}
	})
}

// More load on a host, or a host fewer, makes no more room, and no fleet able to
// bear the loss of a host that was not before. The order of hosts changes nothing.
func TestHeadroomIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v, size := policy.DefaultConfig(), anyView(t), anySize(t)
		r := c.Headroom(v, size)
		i := rapid.IntRange(0, len(v.Hosts)-1).Draw(t, "host")

		turned := v
		turned.Hosts = slices.Clone(v.Hosts)
		slices.Reverse(turned.Hosts)
		if got := c.Headroom(turned, size); got != r {
			t.Errorf("%+v, in another order %+v", r, got)
		}
		fuller := v
		fuller.Hosts = slices.Clone(v.Hosts)
		fuller.Hosts[i].Used = fuller.Hosts[i].Used.Plus(anySize(t))
		if got := c.Headroom(fuller, size); got.Domains > r.Domains || got.Survives && !r.Survives {
			t.Errorf("%+v, with more load %+v", r, got)
		}
		fewer := v
		fewer.Hosts = slices.Delete(slices.Clone(v.Hosts), i, i+1)
		if got := c.Headroom(fewer, size); got.Domains > r.Domains {
			t.Errorf("%+v, with a host fewer %+v", r, got)
		}
	})
}

// What nobody takes has a shortage that counts every host once, and what is
// proposed has none.
func TestShortageCountsEveryHost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyView(t)
		d, _ := decide(eager(), v, policy.State{})
		if s := d.Shortage; s != nil {
			hosts := 0
			for _, c := range s.Tally {
				hosts += c.Count
			}
			if d.Hold != policy.NoFeasibleHost || s.Binding != s.Tally[0].Reason || s.Domain != "" && hosts != len(v.Hosts)-1 {
				t.Errorf("held by %s, %+v of %d hosts", d.Hold, s, len(v.Hosts))
			}
			if slices.ContainsFunc(s.Tally, func(c policy.Count) bool { return c.Reason == policy.OK }) {
				t.Errorf("a host would take it: %+v", s)
			}
		} else if d.Hold == policy.NoFeasibleHost && len(v.Domains) > 0 && len(v.Hosts) > 1 {
			t.Errorf("held by %s without saying what would help", d.Hold)
		}
	})
}
