package policy

import (
	"time"
)

// series follows one quantity over time by Holt's method (double exponential
// smoothing, ONR memorandum 52, 1957): a level, and a trend by which it changes
// a second. Both are exponentially weighted moving averages whose weight comes
// from the time that a value covers,
//
//	estimate += (1 - exp(-dt/TimeConstant)) * (value - estimate)
//
// so a late tick counts for as long as it covers and makes no spike.
type series struct {
	level, trend, value float64
	n                   int
}

// observe takes in the mean value over the last dt, which counts weight.
func (s *series) observe(value float64, dt time.Duration, weight float64) {
	s.n++
	if s.n == 1 {
		s.level, s.value = value, value
		return
	}
	s.trend += weight * ((value-s.value)/dt.Seconds() - s.trend)
	s.level += weight * (value - s.level)
	s.value = value
}

// change is by how much the level is forecast to have changed after a time,
// if the result is to stay within 0..limit.
func (s *series) change(horizon time.Duration, limit float64) float64 {
	ahead := min(max(limit, s.level), max(0, s.level+s.trend*horizon.Seconds()))
	return ahead - s.level
}
