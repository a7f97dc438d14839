package loadgen

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The bands that the documented figures are about.
var (
	wide   = Band{0.40, 0.70}
	narrow = Band{0.48, 0.52}
)

// anyPlant draws a quiet host of 1..256 CPUs with any of the clocks.
func anyPlant(t *rapid.T) *plant {
	p := newPlant(anySize(t), rapid.Uint64().Draw(t, "seed"))
	p.clock = clocks[rapid.SampledFrom([]string{"tickless", "periodic", "exact"}).Draw(t, "clock")]
	p.late = rapid.Float64Range(0, 0.002).Draw(t, "late")
	return p
}

// anySize draws small hosts more often, where a tick is worth more.
func anySize(t *rapid.T) int {
	few, some, all := rapid.IntRange(1, 4), rapid.IntRange(1, 32), rapid.IntRange(1, 256)
	return rapid.OneOf(few, few, few, some, some, all).Draw(t, "cpus")
}

var clocks = map[string]func(*plant, *Snapshot){"tickless": tickless, "periodic": periodic, "exact": exact}

func TestSettlesWithinASecondOnAnyHost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlant(t)
		level := rapid.Float64Range(0, 0.5).Draw(t, "other")
		p.other = constant(level * float64(p.cpus))
		r := p.hold(new(Controller), wide, 10)
		if s := r.settled(wide, 0, 5, 10); !(s <= 1) {
			t.Errorf("settled after %v s", s)
		}
		if n := r.changes(2); n != 0 && p.cpus > 1 {
			t.Errorf("%d thread changes after settling", n)
		}
	})
}

func constant(cpus float64) func(float64) float64 { return func(float64) float64 { return cpus } }

// exactEnough replaces the one clock that cannot tell whether a narrow band is
// held: few CPUs whose idle time is sampled too. On one CPU a tick of it is
// worth a point in a second, and how many a burst gets is a matter of luck.
func exactEnough(p *plant) *plant {
	if p.cpus <= 8 {
		p.clock = tickless
	}
	return p
}

func TestHoldsANarrowBand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := exactEnough(anyPlant(t))
		r := p.hold(new(Controller), narrow, 20)
		if s := r.share(narrow, 2, 20); s < 0.99 {
			t.Errorf("in band %v of the time", s)
		}
	})
}

// step is other work that takes half the host for a while.
func step(cpus int, on, off float64) func(float64) float64 {
	return func(t float64) float64 {
		if t >= on && t < off {
			return float64(cpus) / 2
		}
		return 0
	}
}

func TestAStepNeverLeavesTheWideBand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlant(t)
		p.other = step(p.cpus, 7, 14)
		r := p.hold(new(Controller), wide, 20)
		if during, after := r.share(wide, 7, 14), r.share(wide, 14, 20); during < 0.98 || after < 0.98 {
			t.Errorf("in band during %v, after %v of the time", during, after)
		}
		if over := r.over(wide, 1); over > 0 {
			t.Errorf("%v above the band", over)
		}
	})
}

func TestRecoversANarrowBandFromAStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := exactEnough(anyPlant(t))
		p.other = step(p.cpus, 8, 16)
		r := p.hold(new(Controller), narrow, 24)
		on, off := r.settled(narrow, 8, 3, 16), r.settled(narrow, 16, 3, 24)
		// One CPU shows 5 points a tick in 0.2 s, so it takes longer to see
		// how large the step was.
		slack := 0.0
		if p.cpus == 1 {
			slack = 1.5
		}
		if !(on <= 2.5+slack) || !(off <= 1.5+slack) {
			t.Errorf("recovered after %v s and %v s", on, off)
		}
	})
}

func TestLeavesNothingWhenWorkWantsEveryCPU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlant(t)
		p.fair = rapid.Bool().Draw(t, "fair")
		p.other = func(t float64) float64 {
			if t >= 10 {
				return float64(p.cpus)
			}
			return 0
		}
		r := p.hold(new(Controller), wide, 20)
		for i, own := range r.own {
			if at := float64(i) / 5; at >= 13 && own > 0.005 {
				t.Fatalf("%v of the host left at %v s", own, at)
			}
		}
	})
}

func TestMakesUpForWhatTheHostDoesNotDeliver(t *testing.T) {
	for _, cpus := range []int{1, 2, 8, 64} {
		// Neighbours outside the counters take a third of each burst: a
		// thread that burns 20 ms gets 14 ms of CPU.
		p := newPlant(cpus, 1)
		p.clock = exact
		p.stolen = 0.3
		r := p.hold(new(Controller), narrow, 20)
		if s := r.share(narrow, 3, 20); s < 0.99 {
			t.Errorf("%d CPUs: in band %v of the time", cpus, s)
		}
	}
}

func TestStaysWithinItsRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlant(t)
		p.room = rapid.Float64Range(0.1, 1).Draw(t, "room") * float64(p.cpus)
		r := p.hold(new(Controller), Band{0.9, 1}, 5)
		for _, n := range r.threads {
			if n > int(math.Ceil(p.room)) {
				t.Fatalf("%d threads in room for %v CPUs", n, p.room)
			}
		}
	})
}

func TestAQuotaIsNoReasonToPush(t *testing.T) {
	p := newPlant(4, 1)
	p.quota = 1
	var c Controller
	r := p.run(10, func(s Snapshot) (int, float64, Output) {
		s.Room = 1 // as the runner finds it
		o := c.Step(s, Band{0.5, 0.6}, AimMid)
		return o.Threads, o.Duty, o
	})
	if n := r.threads[len(r.threads)-1]; n != 1 {
		t.Errorf("%d threads under a quota of one CPU", n)
	}
	if c.debt > debtMax {
		t.Errorf("a debt of %v has built up", c.debt)
	}
}

// hold for a while, then let the sensor do something, and see what is left.
func TestAFrozenSensorEndsTheLoadWithin2s(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlant(t)
		clock := p.clock
		frozen := Snapshot{}
		p.clock = func(p *plant, s *Snapshot) {
			clock(p, s)
			if p.now() < 5 {
				frozen = *s
			}
			if p.now() >= 5 && p.now() < 12 {
				s.Total, s.Busy = frozen.Total, frozen.Busy
			}
		}
		r := p.hold(new(Controller), wide, 20)
		for i, own := range r.own {
			at := float64(i) / 5
			if at >= 7 && at < 12 && own > 0 {
				t.Fatalf("own load %v at %v s, frozen since 5 s", own, at)
			}
			if at < 12 && own > 0.7 {
				t.Fatalf("own load %v at %v s", own, at)
			}
		}
		if s := r.settled(wide, 12, 3, 20); !(s <= 2) {
			t.Errorf("back in band %v s after the sensor", s)
		}
	})
}

func TestASensorThatDoesNotShowTheLoadEndsIt(t *testing.T) {
	p := newPlant(4, 1)
	p.clock = func(p *plant, s *Snapshot) { // another machine's: 3 % busy
		s.Total = seconds(4 * p.now())
		s.Busy = seconds(0.03 * 4 * p.now())
	}
	r := p.hold(new(Controller), wide, 20)
	last := r.outs[len(r.outs)-1]
	if last.Threads != 0 || last.Trouble != SensorAbsurd {
		t.Errorf("after 20 s: %+v", last)
	}
	for i, own := range r.own {
		if own > 0.82 {
			t.Errorf("own load %v at %v s", own, float64(i)/5)
		}
		if i > 15 && own > 0 {
			t.Errorf("own load %v at %v s", own, float64(i)/5)
		}
	}
}

func TestJumpsOfIdleTimeAreHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := exactEnough(anyPlant(t))
		clock := p.clock
		jump := rapid.Float64Range(-1e6, 1e6).Draw(t, "jump")
		p.clock = func(p *plant, s *Snapshot) {
			clock(p, s)
			if p.now() >= 5 {
				s.Total += seconds(jump)
			}
			if p.now() >= 10 {
				s.Total -= seconds(jump / 2)
			}
		}
		r := p.hold(new(Controller), wide, 15)
		if s := r.share(wide, 2, 15); s < 0.98 {
			t.Errorf("in band %v of the time", s)
		}
	})
}

func TestHotplugIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := exactEnough(anyPlant(t))
		clock, most := p.clock, p.cpus
		least := rapid.IntRange(1, most).Draw(t, "least")
		p.clock = func(p *plant, s *Snapshot) {
			switch {
			case p.now() >= 10:
				p.cpus = most
			case p.now() >= 5:
				p.cpus = least
			}
			s.CPUs, s.Room = float64(p.cpus), float64(p.cpus)
			clock(p, s)
		}
		r := p.hold(new(Controller), wide, 15)
		for i, mean := range r.means() {
			// The load of one second is that of another host until it ends.
			if at := float64(i) / 5; at > 6.4 && at < 10 || at > 11.4 {
				if !wide.Contains(mean) {
					t.Errorf("utilisation %v at %v s", mean, at)
				}
			}
		}
	})
}

// Whatever the snapshots say, the output is something that can be done.
func TestOutputIsSaneForAnyInput(t *testing.T) {
	clock := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64().Draw(t, "ns") >> rapid.IntRange(0, 50).Draw(t, "shift"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var c Controller
		band := Band{rapid.Float64Range(0, 1).Draw(t, "min"), rapid.Float64Range(0, 1).Draw(t, "max")}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			s := Snapshot{
				At: clock.Draw(t, "at"), Total: clock.Draw(t, "total"), Busy: clock.Draw(t, "busy"), Own: clock.Draw(t, "own"),
				CPUs: float64(rapid.IntRange(0, 512).Draw(t, "cpus")), Room: rapid.Float64Range(-1, 600).Draw(t, "room"),
			}
			o := c.Step(s, band, rapid.SampledFrom([]Aim{AimMid, AimLow}).Draw(t, "aim"))
			if o.Threads < 0 || o.Threads > max(int(math.Ceil(min(s.Room, s.CPUs))), 0) {
				t.Fatalf("%d threads: %+v", o.Threads, s)
			}
			if !(o.Duty >= 0 && o.Duty <= 1) || !(o.Target >= 0 && o.Target <= 1) || math.IsNaN(o.Background) || math.IsInf(o.Background, 0) {
				t.Fatalf("output %+v for %+v", o, s)
			}
			if o.Threads == 0 && o.Duty != 0 {
				t.Fatalf("duty %v for no threads", o.Duty)
			}
		}
	})
}

func TestStepIsDeterministic(t *testing.T) {
	a := newPlant(8, 7).hold(new(Controller), narrow, 5)
	b := newPlant(8, 7).hold(new(Controller), narrow, 5)
	for i := range a.outs {
		if a.outs[i] != b.outs[i] {
			t.Fatalf("reading %d: %+v and %+v", i, a.outs[i], b.outs[i])
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	p := newPlant(8, 1)
	var c Controller
	p.hold(&c, wide, 6)
	s := p.snapshot()
	allocs := testing.AllocsPerRun(1000, func() {
		s.At += 40 * time.Millisecond
		s.Total += 8 * 40 * time.Millisecond
		s.Busy += 4 * 40 * time.Millisecond
		c.Step(s, wide, AimMid)
	})
	if allocs != 0 {
		t.Errorf("a step allocates %v times", allocs)
	}
}

func TestThreads(t *testing.T) {
	tests := []struct {
		have            int
		ask, cpus, room float64
		want            int
		why             string
	}{
		{0, 0, 2, 2, 0, "nothing to do"},
		{0, 1.1, 2, 2, 2, "straight to the number needed"},
		{0, 45, 64, 64, 63, "on large hosts too"},
		{63, 45, 64, 64, 63, "and stay"},
		{60, 50, 64, 64, 60, "a duty of 0.83 is no reason to change"},
		{60, 52, 64, 64, 64, "one of 0.87 is"},
		{2, 1.1, 2, 2, 2, "nor one of 0.55 with two, since one would have 1.1"},
		{2, 0.5, 2, 2, 1, "but half a CPU needs one thread only"},
		{40, 2, 64, 64, 3, "straight down as well"},
		{1, 0.003, 2, 2, 0, "too small to be worth a thread"},
		{0, 0.007, 2, 2, 0, "hysteresis at the lower end"},
		{1, 0.007, 2, 2, 1, "likewise"},
		{4, 4, 4, 4, 4, "all CPUs"},
		{4, 2, 4, 2, 2, "the room shrank"},
		{3, 0.3, 4, 0.3, 1, "a quota below one CPU"},
		{2, 1, 4, 0, 0, "no room at all"},
	}
	for _, tt := range tests {
		if got := threads(tt.have, tt.ask, tt.cpus, tt.room); got != tt.want {
			t.Errorf("%s: threads(%d, %v, %v, %v) = %d, want %d", tt.why, tt.have, tt.ask, tt.cpus, tt.room, got, tt.want)
		}
	}
}

func TestAimLowStaysInTheBandAndBelowTheMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlant(t)
		var c Controller
		r := p.run(15, func(s Snapshot) (int, float64, Output) {
			o := c.Step(s, wide, AimLow)
			return o.Threads, o.Duty, o
		})
		if s := r.share(wide, 2, 15); s < 0.99 {
			t.Errorf("in band %v of the time", s)
		}
		if mean := r.means()[len(r.u)-1]; mean > 0.5 {
			t.Errorf("utilisation %v", mean)
		}
	})
}

func TestBandValidate(t *testing.T) {
	for _, tt := range []struct {
		b    Band
		want string
	}{
		{Band{0.4, 0.7}, ""},
		{Band{0, 1}, ""},
		{Band{0.7, 0.4}, "min (70) must be below max (40)"},
		{Band{0.4, 0.4}, "min (40) must be below max (40)"},
		{Band{-0.1, 1.5}, "min (-10) must be in 0..100\nmax (150) must be in 0..100"},
		{Band{math.NaN(), 0.5}, "min (NaN) must be in 0..100"},
	} {
		got := ""
		if err := tt.b.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%v: %q, want %q", tt.b, got, tt.want)
		}
	}
}
