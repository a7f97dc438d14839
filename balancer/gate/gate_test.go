package gate

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestRefillsWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string](Allowance{AtOnce: 10, PerSecond: 2, Burst: 3}, Allowance{AtOnce: 100, PerSecond: 100, Burst: 100})
		pass := func(key string) bool {
			if g.Enter(key) != Admitted {
				return false
			}
			g.Leave(key)
			return true
		}
		for i := range 3 {
			if !pass("a") {
				t.Errorf("%d of the burst was turned away", i)
			}
		}
		if g.Enter("a") != OverOwn {
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
func TestForgetsOnlyTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int](Allowance{AtOnce: 1, PerSecond: 1, Burst: 1}, Allowance{AtOnce: 2 * keysMax, PerSecond: 1e9, Burst: 1e9})
		if g.Enter(-1) != Admitted { // stays inside
			t.Fatal("turned away")
		}
		for i := range keysMax - 1 {
			if g.Enter(i) != Admitted {
				t.Fatal("turned away")
			}
			g.Leave(i)
		}
		if g.Enter(keysMax) != OverTotal {
			t.Error("the table grew over its limit")
		}
		time.Sleep(2 * time.Second)
		if g.Enter(keysMax) != Admitted {
			t.Error("idle keys were not forgotten")
		}
		if g.Enter(-1) != OverOwn {
			t.Error("a key was forgotten that is inside")
		}
		if len(g.usage) > 2 {
			t.Errorf("%d keys are kept, want 2", len(g.usage))
		}
	})
}

// Whatever comes and goes: never more inside than allowed, and what is counted
// is what is there.
func TestNeverAdmitsTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		each := rapid.IntRange(1, 3).Draw(t, "each")
		total := rapid.IntRange(1, 5).Draw(t, "total")
		g := New[string](Allowance{each, 1e9, 1e9}, Allowance{total, 1e9, 1e9})
		inside := map[string]int{}
		all := 0
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "key"))
			if rapid.Bool().Draw(t, "leave") && inside[key] > 0 {
				g.Leave(key)
				inside[key]--
				all--
				continue
			}
			want := Admitted
			switch {
			case inside[key] >= each:
				want = OverOwn
			case all >= total:
				want = OverTotal
			}
			if got := g.Enter(key); got != want {
				t.Fatalf("%d of %d inside, %d of %d in total: got %v, want %v", inside[key], each, all, total, got, want)
			}
			if want == Admitted {
				inside[key]++
				all++
			}
		}
	})
}
