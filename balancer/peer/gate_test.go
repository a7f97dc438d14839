package peer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestGateRefillsWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate[string](Allowance{AtOnce: 10, PerSecond: 2, Burst: 3}, Allowance{AtOnce: 100, PerSecond: 100, Burst: 100})
		pass := func(key string) bool {
			if g.enter(key) != admitted {
				return false
			}
			g.leave(key)
			return true
		}
		for i := range 3 {
			if !pass("a") {
				t.Errorf("%d of the burst was turned away", i)
			}
		}
		if g.enter("a") != overOwn {
			t.Error("more than the burst passed")
		}
		if !pass("b") {
			t.Error("one key used up the allowance of another")
		}
		time.Sleep(time.Second)
		if !pass("a") || !pass("a") || pass("a") {
			t.Error("after a second, not exactly two passed")
		}
		time.Sleep(time.Hour)
		passed := 0
		for pass("a") {
			passed++
		}
		if passed != 3 {
			t.Errorf("after an hour %d passed, want the burst of 3", passed)
		}
	})
}

// The table of keys is bounded, but what is inside or over its allowance is
// not forgotten.
func TestGateForgetsOnlyTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate[int](Allowance{AtOnce: 1, PerSecond: 1, Burst: 1}, Allowance{AtOnce: 2 * keysMax, PerSecond: 1e9, Burst: 1e9})
		if g.enter(-1) != admitted { // stays inside
			t.Fatal("turned away")
		}
		for i := range keysMax - 1 {
			if g.enter(i) != admitted {
				t.Fatal("turned away")
			}
			g.leave(i)
		}
		if g.enter(keysMax) != overTotal {
			t.Error("the table grew over its limit")
		}
		time.Sleep(2 * time.Second)
		if g.enter(keysMax) != admitted {
			t.Error("idle keys were not forgotten")
		}
		if g.enter(-1) != overOwn {
			t.Error("a key was forgotten that is inside")
		}
		if len(g.usage) > 2 {
			t.Errorf("%d keys are kept, want 2", len(g.usage))
		}
	})
}

// Whatever comes and goes: never more inside than allowed, and what is counted
// is what is there.
func TestGateNeverAdmitsTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		each := rapid.IntRange(1, 3).Draw(t, "each")
		total := rapid.IntRange(1, 5).Draw(t, "total")
		g := newGate[string](Allowance{each, 1e9, 1e9}, Allowance{total, 1e9, 1e9})
		inside := map[string]int{}
		all := 0
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "key"))
			if rapid.Bool().Draw(t, "leave") && inside[key] > 0 {
				g.leave(key)
				inside[key]--
				all--
				continue
			}
			want := admitted
			switch {
			case inside[key] >= each:
				want = overOwn
			case all >= total:
				want = overTotal
			}
			if got := g.enter(key); got != want {
				t.Fatalf("%d of %d inside, %d of %d in total: got %v, want %v", inside[key], each, all, total, got, want)
			}
			if want == admitted {
				inside[key]++
				all++
			}
		}
	})
}
