package policy

import (
	"fmt"
	"time"
)

// Band is where a host's utilization lies among the marks.
type Band uint8

// The bands. Hold is the dead band.
const (
	BandUnknown Band = iota
	BandLow
	BandNormal
	BandHold
	BandHigh
	BandCritical
)

var bandNames = [...]string{"unknown", "low", "normal", "hold", "high", "critical"}

// String names the band.
func (b Band) String() string {
	if int(b) < len(bandNames) {
		return bandNames[b]
	}
	return fmt.Sprintf("band(%d)", uint8(b))
}

// MarshalText writes the name.
func (b Band) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a name; one that is not known reads as BandUnknown.
func (b *Band) UnmarshalText(text []byte) error {
	*b = BandUnknown
	for i, name := range bandNames {
		if name == string(text) {
			*b = Band(i)
		}
	}
	return nil
}

// Bands returns every band.
func Bands() []Band {
	return []Band{BandUnknown, BandLow, BandNormal, BandHold, BandHigh, BandCritical}
}

// Band places a utilization among the marks.
func (m Marks) Band(u Fraction) Band {
	switch {
	case !u.Valid():
		return BandUnknown
	case u >= m.Critical:
		return BandCritical
	case u >= m.High:
		return BandHigh
	case u >= m.Receive:
		return BandHold
	case u >= m.Low:
		return BandNormal
	default:
		return BandLow
	}
}

// detect counts the newest sample, once, and answers whether the host needs
// relief: OK if it does, else why not.
//
// Relief starts when SamplesOver of the last SamplesWindow samples were above
// High, or were forecast to be by the time that help would come; it ends when
// use and forecast are below Stop. In between a host that is being relieved
// goes on, one that is not does not start. With WaitHigh set, it is the waiting
// of the domains that has these two marks, and use has none.
func (c Config) detect(v View, s *State) Reason {
	u := v.Utilization
	if !u.Known || v.Now.Sub(u.At) > c.StaleAfter {
		return NoSample
	}
	if u.At.After(s.Counted) {
		c.count(v, s)
	}
	over := 0
	for _, o := range s.Over {
		if o {
			over++
		}
	}
	// The window may still be full of a spike that is over, and a move done in
	// thought changes the use but not the window.
	s.Relieving = c.bothered(v) && (s.Relieving || over >= c.SamplesOver)
	switch {
	case s.Relieving:
		return OK
	case over > 0:
		return Sustaining
	case c.WaitHigh > 0:
		return NoContention
	default:
		return NotOverloaded
	}
}

// count takes the sample into the window. State is a value: the old window
// stays as it is.
func (c Config) count(v View, s *State) {
	u, over := v.Utilization, c.over(v)
	s.Counted = u.At
	s.Over = append([]bool{over}, s.Over...)
	s.Over = s.Over[:min(len(s.Over), c.SamplesWindow)]
	switch {
	case !over:
		s.OverSince = time.Time{}
	case s.OverSince.IsZero():
		s.OverSince = u.At
	}
}

// over reports whether the newest sample speaks for relief; bothered, whether
// it does not yet speak for stopping it.
func (c Config) over(v View) bool {
	if c.WaitHigh > 0 {
		return v.longestWait() >= c.WaitHigh
	}
	return max(v.Utilization.Recent, v.Utilization.Ahead) >= c.Marks.High
}

func (c Config) bothered(v View) bool {
	if c.WaitHigh > 0 {
		return v.longestWait() >= c.WaitHigh/2
	}
	return max(v.Utilization.Smoothed, v.Utilization.Ahead) >= c.Marks.Stop
}

// longestWait is the share of time that the domain waits which waits the most.
func (v View) longestWait() Fraction {
	var longest Fraction
	for _, d := range v.Domains {
		longest = max(longest, d.Wait)
	}
	return longest
}
