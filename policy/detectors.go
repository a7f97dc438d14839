package policy

import (
	"fmt"
	"math"
	"slices"
)

// A detector sets, from what the host used of late, where its high mark is and
// what use is to be expected, beside what the estimator forecasts. The rest (k of
// n samples, the distance from the start of relief to its end) is the same for
// all.
//
// The adaptive ones are of A. Beloglazov and R. Buyya, "Optimal online
// deterministic algorithms and adaptive heuristics for energy and performance
// efficient dynamic consolidation of virtual machines in cloud data centers",
// Concurrency and Computation 24(13), 2012, section 6.
type detector interface {
	// judge is given the use of the last samples, newest first, at least
	// minHistory of them.
	judge(uses []Fraction) judgement
}

// judgement is what a detector finds.
type judgement struct {
	high Fraction
	// ahead is the expected use; zero expects none.
	ahead Fraction
}

// Detector names a detector.
type Detector uint8

// The detectors. Static has the fixed mark policy.high.
const (
	Static Detector = iota
	// MAD: high = 1 - s MAD, with MAD = median |u - median u|.
	MAD
	// IQR: high = 1 - s IQR, with IQR = the third quartile less the first.
	IQR
	// LR: overloaded when s times the next use, as robust local regression
	// expects it, reaches 1.
	LR
)

// Detectors returns every detector.
func Detectors() []Detector { return []Detector{Static, MAD, IQR, LR} }

// String names the detector as the configuration does.
func (d Detector) String() string {
	switch d {
	case Static:
		return "static"
	case MAD:
		return "mad"
	case IQR:
		return "iqr"
	case LR:
		return "lr"
	default:
		return fmt.Sprintf("detector(%d)", uint8(d))
	}
}

// MarshalText writes the name.
func (d Detector) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a name.
func (d *Detector) UnmarshalText(text []byte) error {
	for _, known := range Detectors() {
		if known.String() == string(text) {
			*d = known
			return nil
		}
	}
	return fmt.Errorf("detector %q is not one of static, mad, iqr, lr", text)
}

// safety is the paper's safety parameter s of a detector. A higher one leaves
// more room for what is not foreseen.
func (d Detector) safety() float64 {
	switch d {
	case MAD:
		return 2.5
	case IQR:
		return 1.5
	case LR:
		return 1.2
	default:
		return 0
	}
}

// minHistory is how many samples an adaptive detector needs; with fewer the
// mark is the fixed one. historyMax is how many are kept.
const (
	minHistory = 12
	historyMax = 30
)

// detector is the configured one; nil for the fixed mark.
func (c *Config) detector() detector {
	s := c.DetectorSafety
	if s == 0 {
		s = c.Detector.safety()
	}
	switch c.Detector {
	case MAD:
		return madDetector{s}
	case IQR:
		return iqrDetector{s}
	case LR:
		return lrDetector{s}
	default:
		return nil
	}
}

// adapt returns the configuration with the marks that the detector sets now, and
// the view with the use that it expects. Start and end of relief move together,
// and stay between the receive mark, so that the dead band does not vanish, and
// the critical mark, from which on a host needs relief whatever its past.
func (c Config) adapt(v View, s *State) (Config, View) {
	by := c.detector()
	if by == nil {
		return c, v
	}
	if u := v.Utilization; u.Known && u.At.After(s.Counted) {
		s.Uses = append([]Fraction{u.Recent}, s.Uses...)
		s.Uses = s.Uses[:min(len(s.Uses), historyMax)]
	}
	if len(s.Uses) < minHistory {
		return c, v
	}
	found := by.judge(s.Uses)
	gap := c.Marks.High - c.Marks.Stop
	lowest := min(c.Marks.High, c.Marks.Receive+gap)
	c.Marks.High = min(max(found.high, lowest), c.Marks.Critical)
	c.Marks.Stop = max(c.Marks.High-gap, c.Marks.Receive)
	v.Utilization.Ahead = max(v.Utilization.Ahead, found.ahead)
	return c, v
}

type madDetector struct{ safety float64 }

func (d madDetector) judge(uses []Fraction) judgement {
	sorted := slices.Sorted(slices.Values(uses))
	center := quantile(sorted, 0.5)
	for i, u := range sorted {
		sorted[i] = Fraction(math.Abs(float64(u - center)))
	}
	slices.Sort(sorted)
	return judgement{high: 1 - Fraction(d.safety)*quantile(sorted, 0.5)}
}

type iqrDetector struct{ safety float64 }

func (d iqrDetector) judge(uses []Fraction) judgement {
	sorted := slices.Sorted(slices.Values(uses))
	spread := quantile(sorted, 0.75) - quantile(sorted, 0.25)
	return judgement{high: 1 - Fraction(d.safety)*spread}
}

// quantile interpolates linearly between the values around it (Hyndman and Fan,
// The American Statistician 50(4), 1996, definition 7).
func quantile(sorted []Fraction, q float64) Fraction {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + Fraction(at-float64(i))*(sorted[i+1]-sorted[i])
}

type lrDetector struct{ safety float64 }

func (d lrDetector) judge(uses []Fraction) judgement {
	return judgement{high: Fraction(1 / d.safety), ahead: nextUse(uses[:min(len(uses), lrWindow)])}
}

// lrWindow is how many samples the line is put through, as in CloudSim.
const lrWindow = 10

// nextUse is the use one sample ahead by loess (W. S. Cleveland, "Robust locally
// weighted regression and smoothing scatterplots", JASA 74, 1979): a line by
// least squares, in which a sample counts the less the older it is (tricube) and
// the further it is from the line before (bisquare).
func nextUse(uses []Fraction) Fraction {
	const rounds = 3
	n := float64(len(uses))
	age := make([]float64, len(uses))
	robust := make([]float64, len(uses))
	for i := range uses {
		// The weight is zero at a distance of n samples from the newest.
		x := float64(i) / n
		age[i], robust[i] = cube(1-cube(x)), 1
	}
	var base, slope float64
	for range rounds {
		base, slope = line(uses, age, robust)
		if !bisquare(uses, base, slope, robust) {
			break
		}
	}
	return Fraction(min(1, max(0, base+slope)))
}

func cube(x float64) float64 { return x * x * x }

// line is the weighted least-squares line; the newest sample is at 0, one ahead
// is at 1.
func line(uses []Fraction, age, robust []float64) (base, slope float64) {
	var sw, sx, sy, sxx, sxy float64
	for i, u := range uses {
		w, x, y := age[i]*robust[i], -float64(i), float64(u)
		sw += w
		sx += w * x
		sy += w * y
		sxx += w * x * x
		sxy += w * x * y
	}
	if det := sw*sxx - sx*sx; det > 1e-12 {
		slope = (sw*sxy - sx*sy) / det
	}
	if sw > 0 {
		base = (sy - slope*sx) / sw
	}
	return base, slope
}

// bisquare sets the weights by the distance from the line, in units of six
// median distances; false if the line goes through at least half of the samples.
func bisquare(uses []Fraction, base, slope float64, robust []float64) bool {
	off := make([]Fraction, len(uses))
	for i, u := range uses {
		off[i] = Fraction(math.Abs(float64(u) - (base - slope*float64(i))))
	}
	limit := 6 * float64(quantile(slices.Sorted(slices.Values(off)), 0.5))
	if limit < 1e-9 {
		return false
	}
	for i := range robust {
		x := float64(off[i]) / limit
		robust[i] = 0
		if x < 1 {
			robust[i] = (1 - x*x) * (1 - x*x)
		}
	}
	return true
}
