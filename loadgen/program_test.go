package loadgen

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestProgram(t *testing.T) {
	low, high := Band{0.1, 0.2}, Band{0.6, 0.8}
	p := Program{Segments: []Segment{
		{For: 10 * time.Second, From: low, To: low},
		{For: 10 * time.Second, From: low, To: high},
		{For: 8 * time.Second, From: Band{0.4, 0.5}, To: Band{0.4, 0.5}, Sine: Sine{Amplitude: 0.2, Period: 8 * time.Second}},
		{For: 3 * time.Second, From: Band{0.45, 0.55}, To: Band{0.45, 0.55}, Replay: Replay{Values: []float64{0.3, 0.02, 0.7}, Every: time.Second}},
	}}
	tests := []struct {
		at   float64
		want Band
		why  string
	}{
		{0, low, "the first step"},
		{9.9, low, "to its end"},
		{10, low, "a ramp begins at the band before"},
		{15, Band{0.35, 0.5}, "and is half way after half its time"},
		{20, Band{0.4, 0.5}, "a sine begins in the middle"},
		{22, Band{0.6, 0.7}, "and is highest after a quarter"},
		{26, Band{0.2, 0.3}, "and lowest after three"},
		{28, Band{0.25, 0.35}, "the first value"},
		{29.5, Band{0, 0.1}, "a band keeps its width at the edge"},
		{30.2, Band{0.65, 0.75}, "the last value"},
		{99, Band{0.65, 0.75}, "which stays"},
	}
	for _, tt := range tests {
		got := p.Band(time.Duration(tt.at * float64(time.Second)))
		if math.Abs(got.Min-tt.want.Min) > 1e-9 || math.Abs(got.Max-tt.want.Max) > 1e-9 {
			t.Errorf("%s: band at %v s is %v, want %v", tt.why, tt.at, got, tt.want)
		}
	}
	if p.Length() != 31*time.Second || p.Ended(30*time.Second) || !p.Ended(31*time.Second) {
		t.Errorf("length %v", p.Length())
	}
	p.Loop = true
	if got := p.Band(31*time.Second + 15*time.Second); math.Abs(got.Min-0.35) > 1e-9 {
		t.Errorf("second round: %v", got)
	}
	if p.Ended(time.Hour) {
		t.Error("a loop ended")
	}
}

func TestHoldNeverEnds(t *testing.T) {
	p := Hold(wide)
	if p.Ended(1000*time.Hour) || p.Band(1000*time.Hour) != wide || p.Band(0) != wide {
		t.Error("Hold does not hold")
	}
}

func TestABandIsAlwaysABand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1)
		lo := share.Draw(t, "lo")
		b := Band{lo, lo + (1-lo)*share.Draw(t, "width")}
		s := Segment{
			For: time.Duration(rapid.IntRange(0, 100).Draw(t, "for")) * time.Second, From: b, To: b,
			Sine: Sine{Amplitude: share.Draw(t, "amplitude"), Period: time.Duration(rapid.IntRange(0, 10).Draw(t, "period")) * time.Second},
		}
		if rapid.Bool().Draw(t, "replay") {
			s.Replay = Replay{Values: rapid.SliceOfN(share, 1, 5).Draw(t, "values"), Every: time.Second}
		}
		got := Program{Segments: []Segment{s}, Loop: rapid.Bool().Draw(t, "loop")}.Band(time.Duration(rapid.IntRange(0, 1000).Draw(t, "at")) * time.Second / 7)
		if !(got.Min >= -1e-9 && got.Max <= 1+1e-9 && math.Abs((got.Max-got.Min)-(b.Max-b.Min)) < 1e-9) {
			t.Fatalf("%v became %v", b, got)
		}
	})
}
