package peer

import (
	"math"
	"sync"
	"time"
)

// gate lets so many in at once and so many per second, for each key and in
// total. It turns away, it never queues: the asker has its own patience.
//
// Invariant: a key that is over its own allowance uses up nothing of the total,
// so one noisy peer cannot lock out the others.
type gate[K comparable] struct {
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

type verdict int

const (
	admitted verdict = iota
	overOwn
	overTotal
)

func newGate[K comparable](each, total Allowance) *gate[K] {
	return &gate[K]{each: each, total: total, usage: make(map[K]*usage)}
}

// enter admits or turns away. Whoever was admitted calls leave.
func (g *gate[K]) enter(k K) verdict {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	u, ok := g.usage[k]
	if !ok {
		if len(g.usage) >= keysMax {
			g.forgetIdle(now)
		}
		if len(g.usage) >= keysMax {
			return overTotal
		}
		u = &usage{}
		g.usage[k] = u
	}
	if !u.take(now, g.each) {
		return overOwn
	}
	if !g.all.take(now, g.total) {
		u.atOnce--
		return overTotal
	}
	return admitted
}

func (g *gate[K]) leave(k K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usage[k].atOnce--
	g.all.atOnce--
}

// forgetIdle drops the keys of which nothing needs to be remembered.
func (g *gate[K]) forgetIdle(now time.Time) {
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
