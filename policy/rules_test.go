package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// anyLabels draws few labels, so that hosts lack some and have others.
func anyLabels(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{nil, {"gpu"}, {"ssd"}, {"gpu", "ssd"}}).Draw(t, "labels")
}

func anyMembership(t *rapid.T) policy.Membership {
	return policy.Membership{
		Rule:  rapid.SampledFrom([]policy.GroupRule{policy.Affinity, policy.AntiAffinity}).Draw(t, "rule"),
		Group: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group"),
		Soft:  rapid.Bool().Draw(t, "soft"),
	}
}

// anyRules draws rules for some domains; most have none.
func anyRules(t *rapid.T) policy.Rules {
	var r policy.Rules
	if !rapid.SampledFrom([]bool{false, false, true}).Draw(t, "ruled") {
		return r
	}
	if rapid.SampledFrom([]bool{false, false, true}).Draw(t, "requires") {
		r.Requires = []string{rapid.SampledFrom([]string{"gpu", "ssd"}).Draw(t, "required")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "memberships") {
		m := anyMembership(t)
		if !slices.ContainsFunc(r.Groups, func(o policy.Membership) bool { return o.Rule == m.Rule && o.Group == m.Group }) {
			r.Groups = append(r.Groups, m)
		}
	}
	r.Priority = rapid.SampledFrom([]policy.Priority{0, 0, -5, 10}).Draw(t, "priority")
	r.Override = rapid.SampledFrom([]policy.Override{policy.NoOverride, policy.NoOverride, policy.ApproveMove, policy.NeverMove}).Draw(t, "override")
	return r
}

// checkRules says which hard rule the move breaks, as far as its source can
// know.
func checkRules(t *rapid.T, v policy.View, d policy.Domain, to policy.Host, m policy.Move) {
	from, _ := v.Host(m.From)
	lacks := func(h policy.Host) bool {
		return slices.ContainsFunc(d.Requires, func(l string) bool { return !slices.Contains(h.Labels, l) })
	}
	if lacks(to) {
		t.Errorf("%+v goes to a host without its labels", m)
	}
	for _, g := range d.Groups {
		member := policy.GroupSet{}.With(g)
		there := slices.ContainsFunc(to.Groups[:], func(k policy.GroupKey) bool { return k != 0 && k>>2 == member[0]>>2 })
		mates := 0
		for _, o := range v.Domains {
			if o.ID != d.ID && slices.ContainsFunc(o.Groups, func(og policy.Membership) bool { return og.Rule == g.Rule && og.Group == g.Group }) {
				mates++
			}
		}
		switch {
		case g.Soft:
		case g.Rule == policy.AntiAffinity && there:
			t.Errorf("%+v goes to a host with a member of %q", m, g.Group)
		case g.Rule == policy.Affinity && mates > 0 && !there && !lacks(from):
			t.Errorf("%+v leaves its group %q", m, g.Group)
		}
	}
}

// Many sources ask one target in turn, each without having heard of the others:
// no two of a group that must be apart are let in.
func TestTargetKeepsApartWhateverIsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := policy.DefaultConfig()
		c.MaxInbound = 100
		host := policy.Host{Received: start}
		host.ID = "t"
		host.Capacity = policy.Load{CPU: 1 << 30, Memory: 1 << 50}
		v := policy.View{Now: start, Self: "t", Hosts: []policy.Host{host}}
		var admitted []policy.Rules
		for i := range rapid.IntRange(1, 12).Draw(t, "asking") {
			rules := anyRules(t)
			rules.Requires = nil
			id := policy.DomainID(rune('a' + i))
			m := policy.Move{Domain: id, From: "s", To: "t", Groups: rules.Groups, MemoryMax: 1}
			if c.Admit(v, m) != policy.OK {
				continue
			}
			admitted = append(admitted, rules)
			if rapid.Bool().Draw(t, "arrives") {
				v.Domains = append(v.Domains, policy.Domain{ID: id, Known: true, Rules: rules})
				continue
			}
			v.Ledger = v.Ledger.With(policy.Reservation{
				Op: policy.OpID(id), Domain: id, To: "t", Groups: rules.Groups, Granted: start, Expires: start.Add(c.Cooldown),
			})
		}
		for i, a := range admitted {
			for _, b := range admitted[:i] {
				for _, ma := range a.Groups {
					for _, mb := range b.Groups {
						if ma.Rule == policy.AntiAffinity && mb.Rule == policy.AntiAffinity && ma.Group == mb.Group && !(ma.Soft && mb.Soft) {
							t.Fatalf("%+v and %+v were let in together", a, b)
						}
					}
				}
			}
		}
	})
}

// Hosts that have heard the same agree on where a group gathers: on the whole
// fleet each decides in turn, and in the end every hard affinity group is on
// one host, and stays.
func TestGroupsGatherAndRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := eager()
		c.MaxMoves = 1
		f := anyFleet(t)
		for i := range f.hosts {
			f.hosts[i].Capacity.CPU = 1 << 30 // room everywhere
		}
		for i := range f.domains {
			if rapid.Bool().Draw(t, "member") {
				f.domains[i].Groups = []policy.Membership{{Rule: policy.Affinity, Group: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group")}}
			}
		}
		moves := 0
		for round := range 4 * len(f.hosts) * (1 + len(f.domains)) {
			self := f.hosts[round%len(f.hosts)].ID
			v := f.view(self, start)
			d, _ := decide(c, v, policy.State{})
			if len(d.Plan) > 0 {
				moves++
				f.at[d.Plan[0].Domain] = d.Plan[0].To
			}
		}
		if moves > len(f.domains) {
			t.Errorf("%d domains gathered in %d moves", len(f.domains), moves)
		}
		where := map[string]policy.HostID{}
		for _, d := range f.domains {
			for _, g := range d.Groups {
				if at, ok := where[g.Group]; ok && at != f.at[d.ID] {
					t.Errorf("group %s is on %s and %s", g.Group, at, f.at[d.ID])
				}
				where[g.Group] = f.at[d.ID]
			}
		}
	})
}

func TestRulesAreChecked(t *testing.T) {
	for want, r := range map[string]policy.Rules{
		"":                             {Requires: []string{"rack=b4"}, Priority: 10},
		`label "a b" must be one word`: {Requires: []string{"a b"}},
		"a group has no name":          {Groups: []policy.Membership{{Rule: policy.Affinity}}},
		"is there twice":               {Groups: []policy.Membership{{Rule: policy.Affinity, Group: "a"}, {Rule: policy.Affinity, Group: "a", Soft: true}}},
		`rule "beside"`:                {Groups: []policy.Membership{{Rule: "beside", Group: "a"}}},
		"priority 11 is not within":    {Priority: 11},
		"at most 16":                   {Requires: make([]string, 17)},
		"at most 8":                    {Groups: make([]policy.Membership, 9)},
	} {
		err := r.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
}

func TestGroupSetsTravelAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s policy.GroupSet
		for range rapid.IntRange(0, 20).Draw(t, "members") {
			s = s.With(anyMembership(t))
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got policy.GroupSet
		if err := json.Unmarshal(b, &got); err != nil || got != s {
			t.Fatalf("%s read as %v, %v; want %v", b, got, err, s)
		}
	})
	var s policy.GroupSet
	if err := json.Unmarshal([]byte(`[0,1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]`), &s); err != nil || s[0] != 4 || s[11] != 15 {
		t.Errorf("got %v, %v", s, err)
	}
}

// An override that a newer version knows permits nothing.
func TestUnknownOverrideIsNever(t *testing.T) {
	o := policy.NoOverride
	if err := o.UnmarshalText([]byte("perhaps")); err != nil || o != policy.NeverMove {
		t.Errorf("got %v, %v", o, err)
	}
}

// The planner for a whole fleet breaks no rule either.
func TestPlannerKeepsRules(t *testing.T) {
	s := policy.Snapshot{At: start}
	for _, name := range []string{"a", "b", "c"} {
		h := policy.Host{}
		h.ID = policy.HostID(name)
		h.Capacity = policy.Load{CPU: 10000, Memory: 64 * policy.GiB}
		s.Hosts = append(s.Hosts, h)
	}
	s.Hosts[2].Labels = []string{"ssd"}
	apart := []policy.Membership{{Rule: policy.AntiAffinity, Group: "db"}}
	place := func(name string, host int, cpu policy.MilliCPU, r policy.Rules) {
		d := policy.PlacedDomain{Host: s.Hosts[host].ID}
		d.ID, d.Known, d.Rules = policy.DomainID(name), true, r
		d.Demand = policy.Load{CPU: cpu, Memory: policy.GiB}
		s.Hosts[host].Used = s.Hosts[host].Used.Plus(d.Demand)
		s.Domains = append(s.Domains, d)
	}
	place("db1", 0, 4000, policy.Rules{Groups: apart})
	place("never", 0, 2500, policy.Rules{Override: policy.NeverMove})
	place("app", 0, 2500, policy.Rules{Groups: []policy.Membership{{Rule: policy.Affinity, Group: "shop"}}})
	place("db2", 1, 100, policy.Rules{Groups: apart})
	place("disk", 2, 3000, policy.Rules{Requires: []string{"ssd"}})
	plan := policy.Planner{Config: policy.DefaultConfig()}.Plan(s)
	if len(plan.Moves) != 1 || plan.Moves[0].Domain != "db1" || plan.Moves[0].To != "c" {
		t.Errorf("planned %+v, want db1 to c alone", plan.Moves)
	}
}
