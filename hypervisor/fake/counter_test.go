package fake

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCounterKeepsWhatIsLessThanOne(t *testing.T) {
	var c counter
	for range 1000 {
		c.add(1, 1, perCPU) // a thousandth of a nanosecond of CPU
	}
	if c != (counter{whole: 1}) {
		t.Errorf("1000 thousandths = %+v", c)
	}
}

// However time is cut into pieces, the sum is the same.
func TestCounterIsAdditive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		per, rate := int64(perCPU), rapid.Int64Range(0, 1<<24).Draw(t, "millicores")
		if rapid.Bool().Draw(t, "bytes") {
			per, rate = perByte, rapid.Int64Range(0, 1<<37).Draw(t, "rate")
		}
		pieces := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 20).Draw(t, "pieces")
		var cut, whole counter
		var sum time.Duration
		for _, p := range pieces {
			cut.add(rate, time.Duration(p), per)
			sum += time.Duration(p)
		}
		whole.add(rate, sum, per)
		if cut != whole {
			t.Fatalf("in pieces %+v, at once %+v", cut, whole)
		}
	})
}

// until is the first nanosecond at which the goal is reached.
func TestCounterUntil(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, 1<<34).Draw(t, "rate")
		goal := rapid.Int64Range(1, 1<<40).Draw(t, "goal")
		var c counter
		c.add(rate, time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "before")), perByte)
		dt := c.until(goal, rate, perByte)
		switch {
		case dt == forever: // more than 292 years
			return
		case c.whole >= goal && dt == 0:
			return
		case c.whole >= goal:
			t.Fatalf("already there, but until = %s", dt)
		}
		early, there := c, c
		early.add(rate, dt-1, perByte)
		there.add(rate, dt, perByte)
		if early.whole >= goal || there.whole < goal {
			t.Fatalf("goal %d: %d one ns before, %d then", goal, early.whole, there.whole)
		}
	})
}

func TestCounterNeverReaches(t *testing.T) {
	if dt := (counter{}).until(1, 0, perByte); dt != forever {
		t.Errorf("without a rate: %s", dt)
	}
	if dt := (counter{}).until(math.MaxInt64, 1, perByte); dt != forever {
		t.Errorf("beyond what a Duration holds: %s", dt)
	}
}
