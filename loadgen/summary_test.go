package loadgen

import (
	"math"
	"testing"
	"time"
)

// watch judges a host of one CPU whose utilisation is a function of time.
func watch(u func(t float64) float64, band func(t float64) Band, dur float64) (*judge, Past) {
	var j judge
	var busy float64
	var past Past
	for i := 0; float64(i)/25 <= dur; i++ {
		t := float64(i) / 25
		at := time.Duration(i) * 40 * time.Millisecond
		past = j.add(Snapshot{At: at, Total: at, Busy: seconds(busy), CPUs: 1}, band(t), int(4*u(t)))
		busy += u(t) / 25
	}
	return &j, past
}

func always(b Band) func(float64) Band { return func(float64) Band { return b } }

func TestSummaryOfARunThatSettles(t *testing.T) {
	j, past := watch(func(t float64) float64 {
		switch {
		case t < 1:
			return 0
		case t >= 20 && t < 21:
			return 1
		}
		return 0.5
	}, always(wide), 30)
	s := j.summary()
	if math.Abs(past.Used-0.5) > 1e-6 {
		t.Errorf("mean %v", past.Used)
	}
	// The mean over a second is 0.4 when 0.8 s of it are at 0.5.
	if !s.Settled || s.Settle < 1700*time.Millisecond || s.Settle > 1900*time.Millisecond {
		t.Errorf("settled %v after %v, want 1.8 s", s.Settled, s.Settle)
	}
	// Above 0.7 while more than 0.4 of a second is at 1: for 1.2 s of 28.2.
	if math.Abs(s.InBand-(1-1.2/28.2)) > 0.005 {
		t.Errorf("in band %v", s.InBand)
	}
	if math.Abs(s.Worst-0.3) > 1e-6 || s.WorstAt < 20900*time.Millisecond || s.WorstAt > 21100*time.Millisecond {
		t.Errorf("worst %v at %v", s.Worst, s.WorstAt)
	}
	if s.ThreadChanges != 2 {
		t.Errorf("%d thread changes", s.ThreadChanges)
	}
	if s.Elapsed != 30*time.Second {
		t.Errorf("elapsed %v", s.Elapsed)
	}
}

func TestSummaryOfARunThatNeverSettles(t *testing.T) {
	j, _ := watch(constant(0.1), always(wide), 20)
	s := j.summary()
	if s.Settled || s.InBand != 0 || math.Abs(s.Worst+0.3) > 1e-6 {
		t.Errorf("%+v", s)
	}
}

func TestSummaryOfAShortRun(t *testing.T) {
	j, _ := watch(constant(0.5), always(wide), 3)
	if s := j.summary(); !s.Settled || s.Settle > time.Second || s.InBand < 0.99 {
		t.Errorf("%+v", s)
	}
}

func TestABandThatMovesIsComparedWithItsOwnMean(t *testing.T) {
	u := func(t float64) float64 { return 0.2 + 0.1*t }
	j, _ := watch(u, func(t float64) Band { return Band{u(t) - 0.02, u(t) + 0.02} }, 6)
	if s := j.summary(); s.InBand < 0.95 {
		t.Errorf("in band %v of a ramp that is followed exactly", s.InBand)
	}
}

// The time until the first reading is part of the run, as it is of its duration.
func TestSummaryCountsFromTheStartOfTheRun(t *testing.T) {
	j := judge{start: time.Second}
	for _, at := range []time.Duration{1100 * time.Millisecond, 1200 * time.Millisecond} {
		j.add(Snapshot{At: at, Total: at, CPUs: 1}, wide, 1)
	}
	if s := j.summary(); s.Elapsed != 200*time.Millisecond {
		t.Errorf("elapsed %s", s.Elapsed)
	}
}
