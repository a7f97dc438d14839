package policy

import (
	"reflect"
	"testing"
	"time"
)

func TestDisagrees(t *testing.T) {
	plan := func(domain DomainID, to HostID) Decision {
		return Decision{Plan: []Move{{Domain: domain, To: to}}}
	}
	for _, c := range []struct {
		force, shadow Decision
		want          Disagreement
	}{
		{Decision{Hold: NotOverloaded}, Decision{Hold: Settling}, Agreed},
		{plan("a", "h2"), plan("a", "h2"), Agreed},
		{Decision{}, plan("a", "h2"), WouldMove},
		{plan("a", "h2"), Decision{}, WouldStay},
		{plan("a", "h2"), plan("b", "h2"), OtherDomain},
		{plan("a", "h2"), plan("a", "h3"), OtherHost},
	} {
		if got := c.force.Disagrees(c.shadow); got != c.want {
			t.Errorf("%+v against %+v: %s, want %s", c.force.Plan, c.shadow.Plan, got, c.want)
		}
	}
}

// TestShadowCountsForItself: of every field of the state it is decided whether it
// is what the shadow has counted or what has come to pass.
func TestShadowCountsForItself(t *testing.T) {
	own := map[string]bool{"Counted": true, "Over": true, "OverSince": true, "Uses": true, "Relieving": true, "Emptying": true}
	now := time.Unix(1_800_000_000, 0)
	counted := State{
		Counted: now, Over: []bool{true}, OverSince: now, Uses: []Fraction{1}, Relieving: true, Emptying: now,
		SettleUntil: now, Backoffs: []Backoff{{Host: "h2"}}, Failures: 3, BrokenUntil: now, NoSwapUntil: now,
	}
	got := reflect.ValueOf(State{}.Shadow(counted))
	for i := range got.NumField() {
		name := got.Type().Field(i).Name
		if set := !got.Field(i).IsZero(); set != own[name] {
			t.Errorf("%s: taken from what the shadow has counted: %t, want %t", name, set, own[name])
		}
	}
}

// TestAShadowDecidesByItsOwnMarks: with a lower mark it would have moved something
// where the policy in force is content.
func TestAShadowDecidesByItsOwnMarks(t *testing.T) {
	force := DefaultConfig()
	force.SamplesOver, force.SamplesWindow = 1, 1
	shadow := force
	shadow.Marks.High, shadow.Marks.Stop, shadow.Marks.Receive = 0.6, 0.55, 0.5
	v := View{
		Now: time.Unix(1_800_000_000, 0), Self: "h1",
		Hosts: []Host{
			{HostFacts: HostFacts{ID: "h1", Capacity: Load{CPU: 10_000, Memory: 64 * GiB}}, HostState: HostState{Used: Load{CPU: 7_000, Memory: 8 * GiB}}},
			{HostFacts: HostFacts{ID: "h2", Capacity: Load{CPU: 10_000, Memory: 64 * GiB}}, HostState: HostState{Used: Load{CPU: 1_000, Memory: 8 * GiB}}},
		},
		Domains:     []Domain{{ID: "d1", Name: "d1", VCPUs: 2, Demand: Load{CPU: 2_000, Memory: GiB}, MemoryMax: GiB, Known: true}},
		Utilization: Utilization{Recent: 0.7, Smoothed: 0.7, Known: true},
		Conditions:  Conditions{Mode: AutoMode, Known: 2},
	}
	v.Utilization.At = v.Now
	for i := range v.Hosts {
		v.Hosts[i].Received = v.Now
	}
	d, s := Policy{force}.Decide(v, State{})
	other, _ := Policy{shadow}.Decide(v, s.Shadow(State{}))
	if got := d.Disagrees(other); got != WouldMove {
		t.Errorf("the shadow %s (%s, %s), want %s", got, d.Hold, other.Hold, WouldMove)
	}
}
