package balancer

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// decisionsKept bounds the decisions that are remembered for people.
const decisionsKept = 100

// decisionLog remembers when what this host decides has changed: not every
// tick, but every answer.
type decisionLog struct {
	mu   sync.Mutex
	kept []api.Decision // oldest first
}

// observe takes a decision in, if it says something new.
func (l *decisionLog) observe(now time.Time, d policy.Decision, self policy.Host, names map[policy.HostID]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := api.Decision{
		At: now, Hold: d.Hold, HoldText: d.HoldText(), Band: d.Band,
		CPU: self.Utilization(policy.CPU), Memory: self.Utilization(policy.Memory),
	}
	if len(d.Plan) > 0 {
		m := d.Plan[0]
		entry.Move, entry.WhyText, entry.ToName = &m, m.Why.Text(), names[m.To]
	}
	entry.Stay = stays(d.Verdicts)
	if n := len(l.kept); n > 0 && d.Hold != policy.OK && sameAnswer(l.kept[n-1], entry) {
		return
	}
	l.kept = append(l.kept, entry)
	if excess := len(l.kept) - decisionsKept; excess > 0 {
		l.kept = slices.Delete(l.kept, 0, excess)
	}
}

func sameAnswer(a, b api.Decision) bool {
	if a.Hold != b.Hold || (a.Move == nil) != (b.Move == nil) {
		return false
	}
	return a.Move == nil || a.Move.Domain == b.Move.Domain && a.Move.To == b.Move.To
}

// stays counts the domains that were left where they are, by reason, the most
// frequent first.
func stays(verdicts []policy.Verdict) []api.Tally {
	counts := map[policy.Reason]int{}
	for _, v := range verdicts {
		if v.Host == "" {
			counts[v.Reason]++
		}
	}
	tallies := []api.Tally{}
	for _, r := range slices.Sorted(maps.Keys(counts)) {
		tallies = append(tallies, api.Tally{Reason: r, Text: r.Text(), Domains: counts[r]})
	}
	slices.SortStableFunc(tallies, func(a, b api.Tally) int { return b.Domains - a.Domains })
	return tallies
}

// newest returns the last decisions, newest first.
func (l *decisionLog) newest(limit int) []api.Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := slices.Clone(l.kept[max(0, len(l.kept)-limit):])
	slices.Reverse(newest)
	return newest
}
