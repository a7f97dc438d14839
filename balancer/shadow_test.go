package balancer

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// TestShadowIsSeenAndNotObeyed: a host at 70 % of its CPU is content with the marks
// in force, and would move something by those of the shadow.
func TestShadowIsSeenAndNotObeyed(t *testing.T) {
	c, now := coreOn("h1", 0.7, domainCounters("vm"))
	if c.shadow.Disagreement != "" {
		t.Errorf("without a shadow it %s", c.shadow.Disagreement)
	}
	tuning := testTuning()
	lower := tuning.Policy
	lower.Marks.Receive, lower.Marks.Stop, lower.Marks.High = 0.5, 0.55, 0.6
	tuning.Shadow = &lower
	c.Retune(tuning)
	cool := policy.Host{
		HostFacts: policy.HostFacts{ID: "h2", Name: "h2", Capacity: policy.Load{CPU: 10_000, Memory: 100 * policy.GiB}},
		HostState: policy.HostState{Band: policy.BandLow},
	}
	seen := map[policy.Disagreement]int{}
	sample := c.sample
	for range 10 {
		now = now.Add(10 * time.Second)
		sample.At = now
		sample.Host.Total += 100 * time.Second
		sample.Host.Busy += 70 * time.Second
		cool.Received = now
		turn := c.Turn(now, Facts{Sample: sample, Fleet: Fleet{Others: []policy.Host{cool}, Known: 2}})
		seen[turn.Shadow.Disagreement]++
		if len(turn.Decision.Plan) > 0 {
			t.Fatalf("the policy in force moves %+v", turn.Decision.Plan[0])
		}
	}
	if seen[policy.WouldMove] == 0 || seen[policy.Agreed] == 0 {
		t.Errorf("disagreements %v, want the shadow to agree until it has seen enough, and then to move", seen)
	}
}
