package loadgen

import (
	"math"
	"time"
)

// Program is a band that changes with time: segments one after another. After
// the last one it starts again, or stays at the last band.
type Program struct {
	Segments []Segment
	Loop     bool
}

// Hold returns the program of one band that never changes.
func Hold(b Band) Program { return Program{Segments: []Segment{{From: b, To: b}}} }

// Segment is a stretch of a program. At most one of Sine and Replay is used.
type Segment struct {
	For time.Duration // 0: without end

	// The band moves from From to To in a straight line.
	From, To Band

	// Sine moves the band up and down around that line.
	Sine Sine

	// Replay takes the middle of the band from a list and its width from From.
	Replay Replay
}

// Sine is an oscillation of the band's middle.
type Sine struct {
	Amplitude float64 // share of the host
	Period    time.Duration
}

// Replay is a list of utilisations, each valid for Every.
type Replay struct {
	Values []float64 // shares of the host
	Every  time.Duration
}

// Length returns how long one run of the program takes; 0 if it has no end.
func (p Program) Length() time.Duration {
	var sum time.Duration
	for _, s := range p.Segments {
		if s.For <= 0 {
			return 0
		}
		sum += s.For
	}
	return sum
}

// Ended reports whether the program has nothing more to say at a time.
func (p Program) Ended(at time.Duration) bool {
	length := p.Length()
	return !p.Loop && length > 0 && at >= length
}

// Band returns the band at a time since the start.
func (p Program) Band(at time.Duration) Band {
	if length := p.Length(); length > 0 {
		if p.Loop {
			at %= length
		}
	}
	for i, s := range p.Segments {
		if s.For <= 0 || at < s.For || i == len(p.Segments)-1 {
			return s.At(at)
		}
		at -= s.For
	}
	return Band{}
}

// At returns the band at a time since the segment began.
func (s Segment) At(t time.Duration) Band {
	part := 0.0
	if s.For > 0 {
		part = min(t.Seconds()/s.For.Seconds(), 1)
	}
	b := Band{
		Min: s.From.Min + part*(s.To.Min-s.From.Min),
		Max: s.From.Max + part*(s.To.Max-s.From.Max),
	}
	switch {
	case s.Sine.Period > 0:
		turns := t.Seconds() / s.Sine.Period.Seconds()
		return b.shift(s.Sine.Amplitude * math.Sin(2*math.Pi*turns))
	case len(s.Replay.Values) > 0 && s.Replay.Every > 0:
		i := min(int(t/s.Replay.Every), len(s.Replay.Values)-1)
		return b.shift(s.Replay.Values[i] - (b.Min+b.Max)/2)
	}
	return b
}

// shift moves the band as far as it stays within 0..1, keeping its width.
func (b Band) shift(by float64) Band {
	by = min(max(by, -b.Min), 1-b.Max)
	return Band{Min: b.Min + by, Max: b.Max + by}
}
