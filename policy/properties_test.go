package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

var start = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// anyView draws a fleet of up to eight hosts, as one of them sees it: busy more
// often than not, so that there is something to decide.
func anyView(t *rapid.T) policy.View {
	v := policy.View{Now: start, Self: "h0", Conditions: policy.Conditions{Mode: policy.AutoMode}}
	cpus := rapid.Int64Range(1, 64)
	for i := range rapid.IntRange(1, 8).Draw(t, "hosts") {
		h := policy.Host{Received: start.Add(-time.Duration(rapid.IntRange(0, 80).Draw(t, "age")) * time.Second)}
		h.ID = policy.HostID(fmt.Sprintf("h%d", i))
		h.Name = string(h.ID)
		h.Capacity = policy.Load{CPU: policy.MilliCPU(1000 * cpus.Draw(t, "cpus")), Memory: policy.Bytes(cpus.Draw(t, "gib")) * policy.GiB}
		share := rapid.Float64Range(0, 1.3).Draw(t, "share")
		h.Used = policy.Load{
			CPU:    policy.MilliCPU(share * float64(h.Capacity.CPU)),
			Memory: policy.Bytes(rapid.Float64Range(0, 1).Draw(t, "memory") * float64(h.Capacity.Memory)),
		}
		h.Inbound = rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "in")
		h.Labels = anyLabels(t)
		for range rapid.IntRange(0, 2).Draw(t, "group members") {
			h.Groups = h.Groups.With(anyMembership(t))
		}
		h.Flags = rapid.SampledFrom([]policy.HostFlags{0, 0, 0, 0, policy.Cordoned, policy.Paused, policy.Blind}).Draw(t, "flags")
		v.Hosts = append(v.Hosts, h)
	}
	self := &v.Hosts[0]
	self.Flags, self.Inbound = 0, 0
	left := self.Used.CPU
	for i := range rapid.IntRange(0, 10).Draw(t, "domains") {
		d := policy.Domain{VCPUs: 1, Known: rapid.SampledFrom([]bool{true, true, true, false}).Draw(t, "known")}
		d.ID = policy.DomainID(fmt.Sprintf("d%d", i))
		d.Name = string(d.ID)
		d.Demand.CPU = policy.MilliCPU(rapid.Int64Range(0, int64(left)).Draw(t, "demand"))
		left -= d.Demand.CPU
		d.Demand.Memory = policy.Bytes(rapid.Int64Range(1, 32).Draw(t, "held")) * policy.GiB / 4
		d.MemoryMax = d.Demand.Memory * policy.Bytes(rapid.Int64Range(1, 4).Draw(t, "growth"))
		d.Obstacle = rapid.SampledFrom([]policy.Reason{policy.OK, policy.OK, policy.OK, policy.Passthrough}).Draw(t, "obstacle")
		if n := rapid.IntRange(0, 3).Draw(t, "moves"); n > 0 {
			d.History = policy.MoveHistory{Count: n, Last: start.Add(-time.Duration(rapid.IntRange(0, 200).Draw(t, "ago")) * time.Minute)}
		}
		d.Rules = anyRules(t)
		v.Domains = append(v.Domains, d)
	}
	observe(&v)
	return v
}

// observe makes the measured use of self agree with its host entry.
func observe(v *policy.View) {
	self, _ := v.Host(v.Self)
	u := self.Used.Share(policy.CPU, self.Capacity)
	v.Utilization = policy.Utilization{At: v.Now, Recent: u, Smoothed: u, Known: true}
}

// eager is the default configuration, deciding on one sample and planning as
// far as it can.
func eager() policy.Config {
	c := policy.DefaultConfig()
	c.SamplesOver, c.SamplesWindow, c.MaxMoves = 1, 1, 100
	return c
}

func decide(c policy.Config, v policy.View, s policy.State) (policy.Decision, policy.State) {
	return policy.Policy{Config: c}.Decide(v, s)
}

func TestMovesAreSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := eager(), anyView(t)
		d, _ := decide(c, v, policy.State{})
		moved := map[policy.DomainID]bool{}
		for _, m := range d.Plan {
			from, _ := v.Host(m.From)
			to, _ := v.Host(m.To)
			dom, ok := v.Domain(m.Domain)
			if !ok || moved[m.Domain] || m.From != v.Self || m.To == v.Self {
				t.Fatalf("%+v moves what is not there to be moved", m)
			}
			moved[m.Domain] = true
			if dom.Obstacle != policy.OK || !dom.Known || dom.Override == policy.NeverMove {
				t.Errorf("%s cannot be moved (%v) and is", dom.ID, dom.Obstacle)
			}
			if m.Why != policy.RuleBroken && !c.CooledDown(dom.History, v.Now) {
				t.Errorf("%s moves within its cooldown", dom.ID)
			}
			if m.Why != policy.RuleBroken && dom.Priority == policy.HighestPriority {
				t.Errorf("%s moves without anybody waiting", dom.ID)
			}
			checkRules(t, v, dom, to, m)
			if m.Why == policy.RuleBroken {
				v = v.Apply(m)
				continue // for a rule, load may become less even within the limits
			}
			before := max(from.Utilization(policy.CPU), to.Utilization(policy.CPU))
			next := v.Apply(m)
			fromAfter, _ := next.Host(m.From)
			toAfter, _ := next.Host(m.To)
			if after := max(fromAfter.Utilization(policy.CPU), toAfter.Utilization(policy.CPU)); after > before {
				t.Errorf("%+v raises the highest load from %v to %v", m, before, after)
			}
			if got := toAfter.Utilization(policy.CPU); got > c.Marks.Receive {
				t.Errorf("%+v brings the target to %v", m, got)
			}
			if got := toAfter.Utilization(policy.Memory); got > c.MemoryReceive {
				t.Errorf("%+v brings the target's memory to %v", m, got)
			}
			if to.Inbound >= c.MaxInbound || to.Flags != 0 || v.Now.Sub(to.Received) > c.StaleAfter {
				t.Errorf("%+v goes to a host that takes none", m)
			}
			v = next
		}
	})
}

func TestOrderOfInputChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := eager(), anyView(t)
		c.Swaps = true
		want, wantState := decide(c, v, policy.State{})
		hosts, domains := slices.Clone(v.Hosts), slices.Clone(v.Domains)
		w := v
		w.Hosts = rapid.Permutation(v.Hosts).Draw(t, "hosts permuted")
		w.Domains = rapid.Permutation(v.Domains).Draw(t, "domains permuted")
		got, gotState := decide(c, w, policy.State{})
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotState, wantState) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if !reflect.DeepEqual(hosts, v.Hosts) || !reflect.DeepEqual(domains, v.Domains) {
			t.Error("Decide changed its argument")
		}
	})
}

func TestEveryDomainThatStaysHasOneReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := eager(), anyView(t)
		c.Swaps = rapid.Bool().Draw(t, "swaps")
		d, _ := decide(c, v, policy.State{})
		reasons := map[policy.DomainID]int{}
		for _, verdict := range d.Verdicts {
			if verdict.Reason == policy.OK {
				t.Errorf("%+v is no reason", verdict)
			}
			if verdict.Host == "" {
				reasons[verdict.Domain]++
			}
		}
		for _, m := range d.Plan {
			reasons[m.Domain]++
		}
		for _, dom := range v.Domains {
			if reasons[dom.ID] != 1 {
				t.Errorf("%s has %d reasons in %+v", dom.ID, reasons[dom.ID], d)
			}
		}
		if len(d.Plan) == 0 && d.Hold == policy.OK {
			t.Error("nothing to do and nothing holds")
		}
	})
}

func TestWholePlanLeavesNothingToPropose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := eager(), anyView(t)
		d, s := decide(c, v, policy.State{})
		for _, m := range d.Plan {
			v = v.Apply(m)
		}
		if again, _ := decide(c, v, s); len(again.Plan) > 0 {
			t.Errorf("proposed %+v\nand then %+v", d.Plan, again.Plan)
		}
	})
}

// TestConstantLoadComesToRest runs a fleet whose load never changes: every host
// decides in turn on exact figures, moves are instantaneous, and cooldowns pass.
// If anything could go round in circles it would here.
func TestConstantLoadComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := eager()
		c.MaxMoves = 1
		c.Strategy = rapid.SampledFrom(policy.Strategies()).Draw(t, "strategy")
		c.Spare = rapid.IntRange(0, 1).Draw(t, "reserve")
		f := anyFleet(t)
		states := map[policy.HostID]policy.State{}
		quiet, moves := 0, 0
		for round := 0; quiet < 2*len(f.hosts); round++ {
			self := f.hosts[round%len(f.hosts)].ID
			now := start.Add(time.Duration(round) * 24 * time.Hour)
			v := f.view(self, now)
			for i := range v.Hosts {
				if !states[v.Hosts[i].ID].Emptying.IsZero() {
					v.Hosts[i].Flags |= policy.Emptying
				}
			}
			d, s := decide(c, v, states[self])
			quiet++
			if len(d.Plan) > 0 && d.Hold == policy.OK {
				quiet = 0
				moves++
				f.move(c, d.Plan[0], now)
				s = c.Finished(s, now, d.Plan[0], policy.Outcome{Result: policy.Succeeded})
			}
			states[self] = s
			if moves > len(f.domains)*len(f.hosts) {
				t.Fatalf("%d moves of %d domains and no rest", moves, len(f.domains))
			}
		}
	})
}

// fleet is a whole cluster with constant loads.
type fleet struct {
	hosts   []policy.Host
	domains []policy.Domain
	at      map[policy.DomainID]policy.HostID
}

func anyFleet(t *rapid.T) *fleet {
	f := &fleet{at: map[policy.DomainID]policy.HostID{}}
	for i := range rapid.IntRange(2, 6).Draw(t, "hosts") {
		h := policy.Host{}
		h.ID = policy.HostID(fmt.Sprintf("h%d", i))
		h.Capacity = policy.Load{CPU: policy.MilliCPU(rapid.Int64Range(2, 20).Draw(t, "cpus") * 1000), Memory: 1 << 50}
		f.hosts = append(f.hosts, h)
	}
	for i := range rapid.IntRange(0, 25).Draw(t, "domains") {
		d := policy.Domain{VCPUs: 1, Known: true}
		d.ID = policy.DomainID(fmt.Sprintf("d%02d", i))
		d.Demand = policy.Load{CPU: policy.MilliCPU(rapid.Int64Range(0, 4000).Draw(t, "cpu")), Memory: policy.GiB}
		d.MemoryMax = policy.GiB
		f.domains = append(f.domains, d)
		f.at[d.ID] = rapid.SampledFrom(f.hosts).Draw(t, "at").ID
	}
	return f
}

func (f *fleet) view(self policy.HostID, now time.Time) policy.View {
	v := policy.View{Now: now, Self: self, Conditions: policy.Conditions{Mode: policy.AutoMode}}
	for _, h := range f.hosts {
		h.Received = now
		for _, d := range f.domains {
			if f.at[d.ID] == h.ID {
				h.Used = h.Used.Plus(d.Demand)
				h.Groups = h.Groups.With(d.Groups...)
				h.Running++
			}
		}
		h.Band = policy.DefaultConfig().Marks.Band(h.Used.Share(policy.CPU, h.Capacity))
		v.Hosts = append(v.Hosts, h)
	}
	for _, d := range f.domains {
		if f.at[d.ID] == self {
			v.Domains = append(v.Domains, d)
		}
	}
	observe(&v)
	return v
}

func (f *fleet) move(c policy.Config, m policy.Move, now time.Time) {
	f.at[m.Domain] = m.To
	for i, d := range f.domains {
		if d.ID == m.Domain {
			f.domains[i].History = c.Arrived(d.History, now, m.From)
		}
	}
}

// Who counts the fresh hosts for the policy gets the decision that it would have
// made by itself.
func TestFreshHostsMayBeCountedBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := eager(), anyView(t)
		v.Conditions.Known = rapid.IntRange(0, 12).Draw(t, "known")
		itself, _ := decide(c, v, policy.State{})
		for _, h := range v.Hosts {
			if h.ID == v.Self || v.Now.Sub(h.Received) <= c.StaleAfter {
				v.Conditions.Fresh++
			}
		}
		if told, _ := decide(c, v, policy.State{}); !reflect.DeepEqual(told, itself) {
			t.Errorf("counted before: %+v\ncounted by itself: %+v", told, itself)
		}
	})
}
