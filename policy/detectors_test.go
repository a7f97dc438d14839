package policy

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fractions turns percent, oldest first, into uses, newest first.
func fractions(percent ...float64) []Fraction {
	uses := make([]Fraction, len(percent))
	for i, p := range percent {
		uses[len(uses)-1-i] = Fraction(p / 100)
	}
	return uses
}

func near(a, b Fraction) bool { return math.Abs(float64(a-b)) < 1e-9 }

func TestDetectorsJudge(t *testing.T) {
	rising := fractions(50, 52, 54, 56, 58, 60, 62, 64, 66, 68)
	for _, tt := range []struct {
		name        string
		by          detector
		uses        []Fraction
		high, ahead Fraction
	}{
		// The median is 2, the distances from it 1 1 0 0 2 4 7, their median 1.
		{"mad", madDetector{2.5}, fractions(1, 1, 2, 2, 4, 6, 9), 0.975, 0},
		{"mad of even load", madDetector{2.5}, fractions(70, 70, 70, 70), 1, 0},
		{"mad with one outlier", madDetector{2.5}, fractions(70, 70, 99, 70, 70), 1, 0},
		// The quartiles of 1..9 are 3 and 7.
		{"iqr", iqrDetector{1.5}, fractions(9, 1, 8, 2, 7, 3, 6, 4, 5), 0.94, 0},
		{"iqr of even load", iqrDetector{1.5}, fractions(70, 70, 70, 70), 1, 0},
		{"lr on a line", lrDetector{1.2}, rising, 1 / 1.2, 0.70},
		{"lr of even load", lrDetector{1.25}, fractions(70, 70, 70, 70, 70), 0.8, 0.70},
		// What came before the window does not count.
		{"lr on the newest", lrDetector{1.2}, append(slices.Clone(rising), 0.99, 0.99, 0.99), 1 / 1.2, 0.70},
		{"lr does not foresee more than all", lrDetector{1.2}, fractions(10, 30, 50, 70, 90), 1 / 1.2, 1},
	} {
		got := tt.by.judge(tt.uses)
		if !near(got.high, tt.high) || !near(got.ahead, tt.ahead) {
			t.Errorf("%s: got high %v ahead %v, want %v and %v", tt.name, got.high, got.ahead, tt.high, tt.ahead)
		}
	}
}

// One sample off the line moves a robust line less than a tenth of how far it
// is off; plain least squares over these would say 0.77.
func TestRegressionIsRobust(t *testing.T) {
	uses := fractions(50, 51, 50, 51, 50, 51, 50, 51, 95, 51)
	if got := nextUse(uses); got > 0.55 {
		t.Errorf("one outlier among ten made the next use %v", got)
	}
}

func anyUses(t *rapid.T) []Fraction {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Fraction {
		return Fraction(rapid.Float64Range(0, 1).Draw(t, "use"))
	}), minHistory, historyMax).Draw(t, "uses")
}

func TestMarksStayInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := DefaultConfig()
		c.Detector = rapid.SampledFrom(Detectors()).Draw(t, "detector")
		c.DetectorSafety = rapid.SampledFrom([]float64{0, 0.5, 3, 10}).Draw(t, "safety")
		s := State{Uses: anyUses(t), Counted: time.Unix(100, 0)}
		v := View{Utilization: Utilization{Known: true, At: s.Counted, Recent: 0.5}}
		got, seen := c.adapt(v, &s)
		m := got.Marks
		if !(m.Receive <= m.Stop && m.Stop < m.High && m.High <= m.Critical) {
			t.Fatalf("marks %+v", m)
		}
		if !near(m.High-m.Stop, c.Marks.High-c.Marks.Stop) {
			t.Fatalf("relief starts at %v and ends at %v", m.High, m.Stop)
		}
		if a := seen.Utilization.Ahead; !(a >= 0 && a <= 1) {
			t.Fatalf("%v is expected", a)
		}
		if c.Detector == Static && (got.Marks != c.Marks || seen.Utilization != v.Utilization) {
			t.Fatal("the static detector changed something")
		}
	})
}

// A load that does not change is an overload only where its level is one.
func TestEvenLoadIsNoOverload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := DefaultConfig()
		c.Detector = rapid.SampledFrom(Detectors()).Draw(t, "detector")
		limit := map[Detector]Fraction{Static: c.Marks.High, MAD: c.Marks.Critical, IQR: c.Marks.Critical, LR: 1 / 1.2}[c.Detector]
		// On the mark itself rounding decides.
		level := Fraction(rapid.Float64Range(0, 0.99).Filter(func(l float64) bool {
			return math.Abs(l-float64(limit)) >= 1e-6
		}).Draw(t, "level"))
		s := State{Uses: slices.Repeat([]Fraction{level}, historyMax)}
		for i := range 2 * historyMax {
			v := View{Now: time.Unix(int64(1000+20*i), 0), Self: "a", Hosts: make([]Host, 1)}
			v.Hosts[0].ID, v.Hosts[0].Capacity.CPU = "a", 1000
			v.Utilization = Utilization{At: v.Now, Known: true, Recent: level, Smoothed: level, Ahead: level}
			_, s = Policy{Config: c}.Decide(v, s)
			if len(s.Uses) > historyMax {
				t.Fatalf("%d samples are kept", len(s.Uses))
			}
		}
		if s.Relieving != (level > limit) {
			t.Fatalf("%s at a constant %v: relieving is %v", c.Detector, level, s.Relieving)
		}
	})
}
