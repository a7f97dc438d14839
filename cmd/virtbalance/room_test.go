package main

import (
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func TestPrintPlanSaysWhatWouldHelp(t *testing.T) {
	size := policy.Load{CPU: 2000, Memory: 8 * policy.GiB}
	tally := []policy.Count{{Reason: policy.HostOverReceive, Count: 2}, {Reason: policy.HostMemory, Count: 1}}
	room := policy.Headroom{Hosts: 4, Size: size, Binding: policy.HostOverReceive, Hardest: "1"}
	for name, tc := range map[string]struct {
		plan api.Plan
		want []string
	}{
		"no room": {
			api.Plan{
				Decision: policy.Decision{Shortage: &policy.Shortage{Domain: "d", Name: "mid", Size: size, Binding: policy.HostOverReceive, Tally: tally}},
				HoldText: policy.NoFeasibleHost.Text(), Room: api.Headroom{Headroom: room, HardestName: "hv1"},
			},
			[]string{
				"A host that takes mid (2.00 CPU, 8.0 GiB) would help. Of the other hosts, 2: the host would pass its receive mark; 1: the host lacks the memory.",
				"Room for 0 more domains of 2.00 CPU and 8.0 GiB; then, on most hosts, the host would pass its receive mark.",
				"Without hv1, what it runs does not fit on the others.",
			},
		},
		"nothing may move": {
			api.Plan{Decision: policy.Decision{Shortage: &policy.Shortage{Binding: policy.Passthrough, Tally: []policy.Count{{Reason: policy.Passthrough, Count: 2}}}}},
			[]string{
				"No domain may move, wherever there is room. Of them, 2: the domain holds a device of this host.",
				"What the fleet has room for is not known.",
			},
		},
		"swap": {
			api.Plan{
				Decision:  policy.Decision{Plan: []policy.Move{{Name: "big", From: "1", To: "2", Why: policy.Overload, Back: &policy.Load{CPU: 1000, Memory: policy.GiB}}}},
				HostNames: map[policy.HostID]string{"1": "hv1", "2": "hv2"},
			},
			[]string{"hv2 has no room as it is: it is asked to give something smaller away, of which hv1 would take back at most 1.00 CPU and 1.0 GiB"},
		},
	} {
		var b strings.Builder
		printPlan(&b, tc.plan)
		for _, want := range tc.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: got\n%s\nwant %q in it", name, b.String(), want)
			}
		}
	}
}
