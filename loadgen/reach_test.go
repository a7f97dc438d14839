package loadgen

import (
	"strings"
	"testing"
)

func TestReach(t *testing.T) {
	ready := func(other, target float64) Output {
		return Output{Ready: true, Background: other, Target: target, Sigma: 0.005}
	}
	all := Room{CPUs: 4, Limit: "the affinity to 4 CPUs"}
	good := Past{Used: 0.55, Own: 0.5}
	tests := []struct {
		name string
		out  Output
		room Room
		past Past
		want Cause
		text string
	}{
		{"all is well", ready(0.05, 0.5), all, good, CauseNone, ""},
		{"nothing is known yet", Output{}, Room{CPUs: 0.5}, Past{}, CauseNone, ""},
		{
			"a stalled sensor comes first",
			Output{Ready: true, Background: 0.9, Trouble: SensorStalled},
			all, good,
			CauseSensor, "the CPU counters do not advance",
		},
		{
			"others use more than max", ready(0.83, 0), all,
			Past{Used: 0.83},
			CauseBackground, "other work uses 83.0, more than max 70.0",
		},
		{"others use a hair more than max", ready(0.705, 0), all, Past{Used: 0.705}, CauseNone, ""},
		{
			"a quota", ready(0.03, 0.25),
			Room{CPUs: 1, Limit: "the quota of 1.00 CPUs"},
			Past{Used: 0.28, Own: 0.25},
			CauseRoom, "the quota of 1.00 CPUs allows 25.0 and other work uses 3.0, together less than min 40.0",
		},
		{"a quota that others make up for", ready(0.2, 0.25), Room{CPUs: 1, Limit: "quota"}, Past{Used: 0.45, Own: 0.25}, CauseNone, ""},
		{
			"neighbours that the counters do not show", ready(0, 0.55), all,
			Past{Used: 0.31, Own: 0.31},
			CauseStarved, "the host gives 31.0 of the 55.0 asked for",
		},
		{
			"steal", ready(0, 0.55), all,
			Past{Used: 0.31, Own: 0.31, Steal: 0.3},
			CauseSteal, "the hypervisor below takes 30.0 and leaves 31.0 of the 55.0 asked for",
		},
	}
	for _, tt := range tests {
		o := Reach(wide, tt.out, 4, tt.room, tt.past)
		if o.Cause != tt.want || o.String() != tt.text {
			t.Errorf("%s: %q %q, want %q %q", tt.name, o.Cause, o, tt.want, tt.text)
		}
		if o.Own() != (tt.want == CauseRoom) {
			t.Errorf("%s: Own is %v", tt.name, o.Own())
		}
	}
}

func TestRoomKeepsTheTightestLimit(t *testing.T) {
	r := Room{CPUs: 8, Limit: "affinity"}.narrow(2, "quota").narrow(4, "threads")
	if r != (Room{CPUs: 2, Limit: "quota"}) {
		t.Errorf("%+v", r)
	}
}

func TestEveryCauseHasText(t *testing.T) {
	for _, c := range []Cause{CauseBackground, CauseRoom, CauseStarved, CauseSteal} {
		if s := (Obstacle{Cause: c}).String(); !strings.Contains(s, "0.0") {
			t.Errorf("%s: %q", c, s)
		}
	}
}
