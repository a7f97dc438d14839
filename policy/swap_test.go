package policy_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// TestSwapsComeToRest: hosts that swap where no single move helps, on a load
// that never changes. Each decides in turn, the target answers by what it
// remembers, and moves are instantaneous. No target is ever above its limits,
// nor two hosts above the stop mark because of one.
func TestSwapsComeToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := eager()
		c.MaxMoves, c.Swaps = 1, true
		f := anyFleet(t)
		states := map[policy.HostID]policy.State{}
		quiet, moves, round := 0, 0, 0
		for ; quiet < 40*len(f.hosts); round++ {
			self := f.hosts[round%len(f.hosts)].ID
			now := start.Add(time.Duration(round) * time.Minute)
			v := f.view(self, now)
			d, s := decide(c, v, states[self])
			states[self] = s
			quiet++
			if len(d.Plan) == 0 || d.Hold != policy.OK {
				continue
			}
			m := d.Plan[0]
			var why policy.Reason
			why, states[m.To] = c.Answer(f.view(m.To, now), states[m.To], m)
			if why != policy.OK {
				states[self] = c.Refused(s, now, m, why)
				continue
			}
			quiet = 0
			moves++
			f.move(c, m, now)
			states[self] = c.Finished(s, now, m, policy.Outcome{Result: policy.Succeeded})
			limit := c.Marks.Receive
			if m.Back != nil || m.Why == policy.Swap {
				limit = c.Marks.Stop
			}
			if to, _ := f.view(self, now).Host(m.To); to.Utilization(policy.CPU) > limit {
				t.Fatalf("%+v brings its target to %s", m, to.Utilization(policy.CPU))
			}
			if moves > len(f.domains)*len(f.hosts) {
				t.Fatalf("%d moves of %d domains and no rest", moves, len(f.domains))
			}
		}
	})
}
