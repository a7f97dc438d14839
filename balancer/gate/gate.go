package gate

import (
	"math"
	"sync"
	"time"
)

// Gate lets so many in at once and so many per second, for each key and in
// total. It turns away, it never queues: the asker has its own patience.
//
// Invariant: a key that is over its own allowance uses up nothing of the total,
// so one noisy peer cannot lock out the others.
type Gate[K comparable] struct {
	each, total Allowance

	mu    sync.Mutex
	usage map[K]*usage
	all   usage
}

type usage struct {
	atOnce int
	tokens float64
	// at is when tokens were counted last; zero for a full bucket.
	at time.Time
}

// keysMax bounds the table of those seen lately.
const keysMax = 8192

// Verdict is the answer of a Gate.
type Verdict int

// The verdicts. The zero value admits.
const (
	Admitted Verdict = iota
	// OverOwn: the key is over its own allowance.
	OverOwn
	// OverTotal: all together are over theirs.
	OverTotal
)

// Allowance is what one asker, or all together, may use.
type Allowance struct {
	// AtOnce at the same time.
	AtOnce int
	// PerSecond on average, with Burst of them without delay.
	PerSecond float64
	Burst     int
}

// New makes a gate with an allowance for each key and one for all together.
func New[K comparable](each, total Allowance) *Gate[K] {
	return &Gate[K]{each: each, total: total, usage: make(map[K]*usage)}
}

// Enter admits or turns away. Whoever was admitted calls Leave.
func (g *Gate[K]) Enter(k K) Verdict {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	u, ok := g.usage[k]
	if !ok {
		if len(g.usage) >= keysMax {
			g.forgetIdle(now)
		}
		if len(g.usage) >= keysMax {
			return OverTotal
		}
		u = &usage{}
		g.usage[k] = u
	}
	if !u.take(now, g.each) {
		return OverOwn
	}
	if !g.all.take(now, g.total) {
		u.atOnce--
		return OverTotal
	}
	return Admitted
}

// Leave gives the place back that Enter has given.
func (g *Gate[K]) Leave(k K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usage[k].atOnce--
	g.all.atOnce--
}

// forgetIdle drops the keys of which nothing needs to be remembered.
func (g *Gate[K]) forgetIdle(now time.Time) {
	for k, u := range g.usage {
		u.refill(now, g.each)
		if u.atOnce == 0 && u.tokens >= float64(g.each.Burst) {
			delete(g.usage, k)
		}
	}
}

func (u *usage) take(now time.Time, a Allowance) bool {
	u.refill(now, a)
	if u.atOnce >= a.AtOnce || u.tokens < 1 {
		return false
	}
	u.atOnce++
	u.tokens--
	return true
}

func (u *usage) refill(now time.Time, a Allowance) {
	if u.at.IsZero() {
		u.tokens = float64(a.Burst)
	} else {
		elapsed := max(0, now.Sub(u.at).Seconds())
		u.tokens = math.Min(float64(a.Burst), u.tokens+elapsed*a.PerSecond)
	}
	u.at = now
}
