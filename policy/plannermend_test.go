package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// ruledFleet is a fleet of hosts with 10 CPUs and 64 GiB.
type ruledFleet struct{ policy.Snapshot }

func newRuledFleet() *ruledFleet { return &ruledFleet{policy.Snapshot{At: start}} }

func (f *ruledFleet) host(id string, labels ...string) {
	h := policy.Host{Received: start}
	h.ID, h.Labels = policy.HostID(id), labels
	h.Capacity = policy.Load{CPU: 10_000, Memory: 64 * policy.GiB}
	f.Hosts = append(f.Hosts, h)
}

// vm puts a domain of so many CPUs on the host that was added last.
func (f *ruledFleet) vm(id string, cpus float64, change ...func(*policy.Domain)) {
	h := &f.Hosts[len(f.Hosts)-1]
	d := policy.PlacedDomain{Host: h.ID}
	d.ID, d.Known = policy.DomainID(id), true
	d.Demand = policy.Load{CPU: policy.MilliCPU(cpus * 1000), Memory: policy.GiB}
	for _, c := range change {
		c(&d.Domain)
	}
	h.Used = h.Used.Plus(d.Demand)
	f.Domains = append(f.Domains, d)
}

func group(rule policy.GroupRule, name string) func(*policy.Domain) {
	return func(d *policy.Domain) { d.Groups = append(d.Groups, policy.Membership{Rule: rule, Group: name}) }
}

func requires(label string) func(*policy.Domain) {
	return func(d *policy.Domain) { d.Requires = append(d.Requires, label) }
}

// moved is a domain that has come from a host a while ago.
func moved(ago time.Duration, from string) func(*policy.Domain) {
	return func(d *policy.Domain) {
		d.History = policy.MoveHistory{Last: start.Add(-ago), From: policy.HostID(from), Count: 1}
	}
}

func TestPlansFollowRules(t *testing.T) {
	db := group(policy.AntiAffinity, "db")
	shop := group(policy.Affinity, "shop")
	soft := func(d *policy.Domain) { d.Groups[len(d.Groups)-1].Soft = true }
	lightest := func(d *policy.Domain) { d.Demand.Memory = policy.GiB / 2 }
	priority := func(p policy.Priority) func(*policy.Domain) {
		return func(d *policy.Domain) { d.Priority = p }
	}
	mode := func(o policy.Override) func(*policy.Domain) {
		return func(d *policy.Domain) { d.Override = o }
	}
	waits := func(d *policy.Domain) { d.Wait = 0.2 }
	for _, c := range []struct {
		name  string
		fleet func(*ruledFleet)
		want  string
	}{
		{"a label is gone: exactly those that require it leave, whenever they moved", func(f *ruledFleet) {
			f.host("a")
			f.vm("render", 1, requires("gpu"), moved(time.Minute, "b"))
			f.vm("web", 1)
			f.host("b", "gpu")
			f.host("c")
		}, "1 render a -> b rule_broken"},
		{"rules come before load", func(f *ruledFleet) {
			f.host("a")
			f.vm("web", 4)
			f.vm("app", 4.5)
			f.host("b")
			f.vm("render", 1, requires("gpu"))
			f.host("c", "gpu")
			f.vm("mail", 1)
		}, "1 render b -> c rule_broken, 2 app a -> b overload"},
		{"members that must be apart: the one leaves that costs least", func(f *ruledFleet) {
			f.host("a")
			f.vm("db1", 1, db)
			f.vm("db2", 2, db, lightest)
			f.host("b")
			f.vm("db3", 1, db)
			f.host("c")
			f.vm("web", 3)
		}, "1 db2 a -> c rule_broken"},
		{"soft rules are not mended", func(f *ruledFleet) {
			f.host("a")
			f.vm("db1", 1, db, soft)
			f.vm("db2", 1, db, soft)
			f.vm("shop1", 1, shop, soft)
			f.host("b")
			f.vm("shop2", 1, shop, soft)
		}, ""},
		{"a host is full: what leaves it makes room for who must come", func(f *ruledFleet) {
			f.host("a", "gpu")
			f.vm("db1", 4, db, requires("gpu"))
			f.vm("web", 3.4, requires("ssd"))
			f.host("b", "ssd")
			f.vm("db2", 3, requires("gpu"))
		}, "1 web a -> b rule_broken, 2 db2 b -> a rule_broken"},
		{"a group gathers where most of it is", func(f *ruledFleet) {
			f.host("a")
			f.vm("shop1", 1, shop)
			f.host("b")
			f.vm("shop2", 1, shop)
			f.vm("shop3", 1, shop)
			f.host("c")
			f.vm("shop4", 1, shop, moved(time.Minute, "d"))
		}, "1 shop1 a -> b rule_broken"},
		{"a group that loses its label goes together", func(f *ruledFleet) {
			f.host("a")
			f.vm("shop1", 1, shop, requires("gpu"))
			f.vm("shop2", 1, shop, requires("gpu"))
			f.host("b", "gpu")
			f.host("c", "gpu")
		}, "1 shop1 a -> b rule_broken, 2 shop2 a -> b rule_broken"},
		{"what is together stays, but a group of one moves as any other", func(f *ruledFleet) {
			f.host("a")
			f.vm("shop1", 2, shop)
			f.vm("shop2", 2, shop)
			f.vm("alone", 5, group(policy.Affinity, "alone"))
			f.host("b")
		}, "1 alone a -> b overload"},
		{"nowhere to go", func(f *ruledFleet) {
			f.host("a")
			f.vm("render", 1, requires("gpu"))
			f.vm("never", 1, requires("ssd"), mode(policy.NeverMove))
			f.host("b", "ssd")
		}, ""},
		{"the lowest priority moves first, even where others were quicker", func(f *ruledFleet) {
			f.host("a")
			f.vm("web", 3, lightest)
			f.vm("batch", 3, priority(-5))
			f.vm("ask", 3, priority(-10), mode(policy.ApproveMove), lightest)
			f.host("b")
		}, "1 batch a -> b overload"},
		{"the highest priority stays", func(f *ruledFleet) {
			f.host("a")
			f.vm("vip", 5, priority(10))
			f.vm("fixed", 4, func(d *policy.Domain) { d.Obstacle = policy.Passthrough })
			f.host("b")
		}, ""},
		{"unless somebody on the host waits", func(f *ruledFleet) {
			f.host("a")
			f.vm("vip", 5, priority(10))
			f.vm("fixed", 4, waits, func(d *policy.Domain) { d.Obstacle = policy.Passthrough })
			f.host("b")
		}, "1 vip a -> b overload"},
		{"not back to where it came from", func(f *ruledFleet) {
			f.host("a")
			f.vm("web", 4.5, moved(time.Hour, "b"))
			f.vm("fixed", 4.5, func(d *policy.Domain) { d.Obstacle = policy.Passthrough })
			f.host("b")
			f.host("c")
			f.vm("mail", 1)
		}, "1 web a -> c overload"},
		{"rather where the soft wishes of its group are granted", func(f *ruledFleet) {
			f.host("a")
			f.vm("shop1", 5, shop, soft, db, soft)
			f.vm("fixed", 4, func(d *policy.Domain) { d.Obstacle = policy.Passthrough })
			f.host("b")
			f.host("c")
			f.vm("db1", 1, db, soft)
			f.host("d")
			f.vm("shop2", 2, shop, soft)
		}, "1 shop1 a -> d overload"},
		{"save for a rule", func(f *ruledFleet) {
			f.host("a")
			f.vm("render", 1, requires("gpu"), moved(time.Hour, "b"))
			f.host("b", "gpu")
			f.host("c")
		}, "1 render a -> b rule_broken"},
	} {
		f := newRuledFleet()
		c.fleet(f)
		config := policy.DefaultConfig()
		config.ReturnWindow = 2 * time.Hour
		var got []string
		for _, m := range (policy.Planner{Config: config}).Plan(f.Snapshot).Moves {
			got = append(got, fmt.Sprintf("%d %s %s -> %s %s", m.Step, m.Domain, m.From, m.To, m.Reason))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestConsolidationMendsFirst: nothing is packed beside what it must be apart from.
func TestConsolidationMendsFirst(t *testing.T) {
	f := newRuledFleet()
	f.host("a")
	f.vm("db1", 1, group(policy.AntiAffinity, "db"))
	f.vm("db2", 1, group(policy.AntiAffinity, "db"))
	f.host("b")
	f.vm("web", 1)
	f.host("c")
	f.vm("mail", 1)
	plan := policy.Planner{Config: policy.DefaultConfig()}.Consolidate(f.Snapshot, policy.Consolidation{Fill: 0.64, Relieve: 0.8})
	if len(plan.Moves) == 0 || plan.Moves[0].Reason != policy.RuleBroken || len(plan.Idle) != 1 {
		t.Errorf("planned %+v, idle %v", plan.Moves, plan.Idle)
	}
}
