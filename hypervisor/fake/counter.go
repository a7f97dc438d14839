package fake

import (
	"math"
	"math/bits"
	"time"
)

// forever is a time that never comes.
const forever = time.Duration(math.MaxInt64)

// The denominators of counters.
const (
	perCPU  = 1000               // millicores for a time are CPU time
	perByte = int64(time.Second) // bytes per second for a time are bytes
)

// counter is the integral of a rate over time, without rounding: what is less
// than one whole is kept. Adding a rate for 3 s is the same as adding it for
// 1 s and for 2 s.
type counter struct {
	whole int64
	rest  uint64 // of one whole, in 1/per
}

// add counts rate/per for the time dt. Neither may be negative. A counter that
// has reached the greatest int64 stays there.
func (c *counter) add(rate int64, dt time.Duration, per int64) {
	hi, lo := bits.Mul64(uint64(rate), uint64(dt))
	lo, carry := bits.Add64(lo, c.rest, 0)
	if hi += carry; hi >= uint64(per) { // more than 64 bits of wholes
		c.whole = math.MaxInt64
		return
	}
	whole, rest := bits.Div64(hi, lo, uint64(per))
	if whole > uint64(math.MaxInt64-c.whole) {
		c.whole = math.MaxInt64
		return
	}
	c.whole += int64(whole)
	c.rest = rest
}

// until is the shortest time after which the counter, growing at rate/per, is
// at goal or beyond.
func (c counter) until(goal, rate, per int64) time.Duration {
	if c.whole >= goal {
		return 0
	}
	if rate <= 0 {
		return forever
	}
	hi, lo := bits.Mul64(uint64(goal-c.whole), uint64(per))
	lo, borrow := bits.Sub64(lo, c.rest, 0)
	lo, carry := bits.Add64(lo, uint64(rate-1), 0) // round up
	hi = hi - borrow + carry
	if hi >= uint64(rate) {
		return forever
	}
	dt, _ := bits.Div64(hi, lo, uint64(rate))
	if dt > math.MaxInt64 {
		return forever
	}
	return time.Duration(dt)
}

// duration reads a counter of CPU time.
func (c counter) duration() time.Duration { return time.Duration(c.whole) }
