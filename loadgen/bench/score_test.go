package main

import (
	"math"
	"testing"
)

// recorded makes a trial of samples of 0.2 s from a function of time.
func recorded(s scene, u func(t float64) float64) trial {
	t := trial{scene: s}
	for i := 1; float64(i)/5 <= s.length; i++ {
		at := float64(i) / 5
		t.samples = append(t.samples, sample{t: at, dt: 0.2, u: u(at), tool: u(at)})
	}
	return t
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestScore(t *testing.T) {
	s := scene{min: 40, max: 70, length: 30}
	tr := recorded(s, func(at float64) float64 {
		switch {
		case at <= 1:
			return 0
		case at > 20 && at <= 21:
			return 100
		}
		return 50
	})
	// A mean of 40 needs 0.8 s at 50.
	if got := tr.first(); !near(got, 1.8) {
		t.Errorf("first in band at %v", got)
	}
	if got := tr.settled(0, 5, 30); !near(got, 1.8) {
		t.Errorf("settled at %v", got)
	}
	// Above 70 from 0.6 s of 100 in a second: means at 20.6 to 21.4.
	if got := tr.share(20.1, 22.1); !near(got, 50) {
		t.Errorf("share %v", got)
	}
	if got := tr.over(2, 30); !near(got, 30) {
		t.Errorf("over %v", got)
	}
	if got := tr.settled(20.1, 3, 30); !near(got, 20.2) && !near(got, 21.6) {
		t.Errorf("recovered at %v", got)
	}
	if got := tr.toolMean(20.1, 21.1); !near(got, 100) {
		t.Errorf("tool %v", got)
	}
}

func TestScoreOfATrialThatNeverSettles(t *testing.T) {
	tr := recorded(scene{min: 40, max: 70, length: 20}, func(float64) float64 { return 10 })
	if !math.IsNaN(tr.first()) || !math.IsNaN(tr.settled(0, 5, 20)) || tr.share(0, 20) != 0 {
		t.Error("a tool that does nothing is in the band")
	}
	if sinceFirst(0)(tr) != 0 {
		t.Error("share since never")
	}
}

func TestQuietAfter(t *testing.T) {
	tr := recorded(scene{length: 12}, func(at float64) float64 {
		if at < 7.5 {
			return 55
		}
		return 0.1
	})
	if got := tr.quietAfter(6); !near(got, 1.4) {
		t.Errorf("quiet after %v", got)
	}
}

func TestThreadChangesAreReadFromTheOutput(t *testing.T) {
	var tr trial
	if !math.IsNaN(tr.threadChanges()) {
		t.Error("changes without output")
	}
	tr.read("CPU Usage: 10.0  Current Thread Number: 1\nCPU Usage: 55.0  Current Thread Number: 2  own 1\n" +
		"noise\nCPU Usage: 55.0  Current Thread Number: 2\nCPU Usage: 55.0  Current Thread Number: 3\n")
	if len(tr.threads) != 4 || tr.threadChanges() != 1 {
		t.Errorf("threads %v, changes %v", tr.threads, tr.threadChanges())
	}
}

func TestEveryFigureHasItsScene(t *testing.T) {
	names := map[string]bool{}
	for _, s := range scenes {
		names[s.name] = true
	}
	for _, f := range figures {
		if !names[f.scene] {
			t.Errorf("%s: no scene %q", f.name, f.scene)
		}
	}
}

func TestCell(t *testing.T) {
	f := figure{good: atMost(2)}
	for want, values := range map[string][]float64{
		"1.5 (1.2..2.5)":     {2.5, 1.2, 1.5},
		"never (1..never) ✗": {math.NaN(), 1, math.NaN()},
		"1":                  {1, 1, 1},
		"3.5 ✗":              {3.5},
		"":                   nil,
	} {
		if got := f.cell(values); got != want {
			t.Errorf("%v: %q, want %q", values, got, want)
		}
	}
}
