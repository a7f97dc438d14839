package policy_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// insteadView is a host at 77 % that runs one large and one small domain, and
// one at 20 %.
func insteadView() policy.View {
	host := func(id policy.HostID, used policy.MilliCPU) policy.Host {
		return policy.Host{
			HostFacts: policy.HostFacts{ID: id, Name: string(id), Capacity: policy.Load{CPU: 10_000, Memory: 64 * policy.GiB}},
			HostState: policy.HostState{Used: policy.Load{CPU: used, Memory: 8 * policy.GiB}}, Received: start,
		}
	}
	domain := func(id policy.DomainID, cpu policy.MilliCPU) policy.Domain {
		return policy.Domain{ID: id, Name: string(id), Demand: policy.Load{CPU: cpu, Memory: policy.GiB}, MemoryMax: policy.GiB, Known: true}
	}
	return policy.View{
		Now: start, Self: "a",
		Hosts:       []policy.Host{host("a", 7700), host("b", 2000)},
		Domains:     []policy.Domain{domain("large", 4000), domain("small", 1000)},
		Utilization: policy.Utilization{Known: true, At: start, Recent: 0.77, Smoothed: 0.77, Ahead: 0.77},
		Conditions:  policy.Conditions{Mode: policy.AutoMode, Known: 2},
	}
}

func TestInstead(t *testing.T) {
	const to = ", it would go to b"
	for _, c := range []struct {
		name   string
		domain policy.DomainID
		change func(*policy.View, *policy.State)
		want   string
	}{
		{"below the mark", "small", func(*policy.View, *policy.State) {}, "with policy.high = 77 instead of 80" + to},
		{"not for long enough", "large", func(v *policy.View, _ *policy.State) {
			v.Utilization.Recent, v.Utilization.Smoothed = 0.85, 0.85
		}, "once that has lasted for policy.samples_over samples" + to},
		{"cooling down as well", "small", func(v *policy.View, _ *policy.State) {
			v.Domains[1].History = policy.MoveHistory{Last: start.Add(-time.Minute), Count: 1}
			v.Domains[0].Obstacle = policy.Passthrough
		}, "were it not cooling down and with policy.high = 75 instead of 80" + to},
		{"no room", "small", func(v *policy.View, _ *policy.State) {
			v.Hosts[1].Used.CPU = 5800
			v.Utilization.Recent, v.Utilization.Smoothed = 0.85, 0.85
			v.Domains[0].Obstacle = policy.Passthrough
		}, "once that has lasted for policy.samples_over samples and with policy.receive = 69 instead of 64" + to},
		{"settling", "large", func(v *policy.View, s *policy.State) {
			v.Utilization.Recent, v.Utilization.Smoothed = 0.85, 0.85
			s.SettleUntil = start.Add(time.Minute)
			s.Over, s.Counted, s.Relieving = []bool{true, true, true, true, true, true}, start, true
		}, "had the last move settled" + to},
		{"another serves better", "small", func(v *policy.View, _ *policy.State) {
			v.Utilization.Recent, v.Utilization.Smoothed = 0.85, 0.85
		}, ""},
		{"cannot move at all", "small", func(v *policy.View, _ *policy.State) { v.Domains[1].Obstacle = policy.Passthrough }, ""},
		{"nobody there", "small", func(v *policy.View, _ *policy.State) { v.Hosts = v.Hosts[:1] }, ""},
		{"not here", "other", func(*policy.View, *policy.State) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, s := insteadView(), policy.State{}
			c.change(&v, &s)
			got := ""
			if i, ok := (policy.Policy{Config: policy.DefaultConfig()}).Instead(v, s, c.domain); ok {
				got = i.Text() + ", it would go to " + string(i.Move.To)
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// The question changes neither the view nor the state, and what it proposes is a
// move of the domain that was asked for to another host.
func TestInsteadChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		build := func(a, b, use int, cooling bool) (policy.View, policy.State) {
			v := insteadView()
			v.Hosts[1].Used.CPU = policy.MilliCPU(a)
			v.Domains[0].Demand.CPU = policy.MilliCPU(b)
			u := policy.Fraction(use) / 100
			v.Hosts[0].Used.CPU = policy.MilliCPU(use * 100)
			v.Utilization.Recent, v.Utilization.Smoothed, v.Utilization.Ahead = u, u, u
			if cooling {
				v.Domains[0].History = policy.MoveHistory{Last: start.Add(-time.Minute), Count: 1}
			}
			return v, policy.State{Backoffs: []policy.Backoff{{Domain: "large", Host: "b", Until: start.Add(time.Minute)}}}
		}
		a, b, use := rapid.IntRange(0, 9000).Draw(t, "target"), rapid.IntRange(10, 6000).Draw(t, "domain"), rapid.IntRange(10, 100).Draw(t, "use")
		cooling := rapid.Bool().Draw(t, "cooling")
		v, s := build(a, b, use, cooling)
		again, state := build(a, b, use, cooling)
		i, ok := (policy.Policy{Config: policy.DefaultConfig()}).Instead(v, s, "large")
		if !reflect.DeepEqual(v, again) || !reflect.DeepEqual(s, state) {
			t.Fatal("the view or the state has been changed")
		}
		if ok && (i.Move.Domain != "large" || i.Move.To != "b" || len(i.Changes) == 0 || len(i.Changes) > 2) {
			t.Fatalf("%+v", i)
		}
	})
}
