package balancer

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestDecisionLog(t *testing.T) {
	var log decisionLog
	now := time.Unix(1_900_000_000, 0)
	decide := func(d policy.Decision) {
		now = now.Add(time.Second)
		log.observe(now, d, policy.Host{}, map[policy.HostID]string{"h2": "two"})
	}
	calm := policy.Decision{Hold: policy.NotOverloaded, Verdicts: []policy.Verdict{
		{Domain: "a", Reason: policy.CoolingDown},
		{Domain: "b", Reason: policy.Passthrough},
		{Domain: "c", Reason: policy.Passthrough},
		{Domain: "c", Host: "h2", Reason: policy.HostMemory},
	}}
	proposed := policy.Decision{Hold: policy.DryRun, Plan: []policy.Move{{Domain: "a", To: "h2", Why: policy.Overload}}}
	for range 50 {
		decide(calm)
	}
	decide(proposed)
	decide(proposed)
	decide(calm)
	got := log.newest(10)
	if len(got) != 3 || got[1].Hold != policy.DryRun || got[1].ToName != "two" || !got[0].At.After(got[1].At) {
		t.Fatalf("got %+v", got)
	}
	if s := got[2].Stay; len(s) != 2 || s[0].Reason != policy.Passthrough || s[0].Domains != 2 || s[1].Domains != 1 {
		t.Errorf("stay %+v", s)
	}
	// Moves that are made are each worth an entry, and the log is bounded.
	made := proposed
	made.Hold = policy.OK
	for range 3 * decisionsKept {
		decide(made)
	}
	if n := len(log.newest(1 << 20)); n != decisionsKept {
		t.Errorf("%d decisions kept, want %d", n, decisionsKept)
	}
	if n := len(log.newest(0)); n != 0 {
		t.Errorf("%d decisions shown, none were asked for", n)
	}
}
