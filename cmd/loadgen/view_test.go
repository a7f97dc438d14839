package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/loadgen"
)

var (
	band = loadgen.Band{Min: 0.4, Max: 0.7}
	held = loadgen.Report{
		At: time.Second, Band: band, CPU: 0.551, Own: 0.52, Background: 0.031, Threads: 3, Duty: 0.42, InBand: true,
		Summary: loadgen.Summary{Settled: true, Settle: 400 * time.Millisecond, InBand: 0.9987},
	}
	crowded = loadgen.Report{
		At: 2 * time.Second, Band: band, CPU: 0.83, Own: 0.002, Background: 0.828, Steal: 0.05,
		Obstacle: loadgen.Obstacle{Cause: loadgen.CauseBackground, Have: 0.828, Need: 0.7},
	}
)

func TestTextView(t *testing.T) {
	var out, errs strings.Builder
	v := &textView{out: &out, err: &errs}
	low := held
	low.CPU, low.InBand = 0.3, false
	blind := crowded
	blind.Obstacle = loadgen.Obstacle{Cause: loadgen.CauseSensor, Why: "the CPU counters do not advance"}
	blind.Err = errors.New("stat:1: nonsense")
	for _, r := range []loadgen.Report{held, low, crowded, crowded, blind, held} {
		v.report(r)
	}
	v.end(loadgen.Summary{
		Elapsed: 58100 * time.Millisecond, Settled: true, Settle: 800 * time.Millisecond, InBand: 0.9999,
		Worst: 0.019, WorstAt: 12300 * time.Millisecond, ThreadChanges: 2,
	})
	want := `CPU Usage: 55.1  Current Thread Number: 3  own 52.0  other 3.1
CPU Usage: 30.0  Current Thread Number: 3  own 52.0  other 3.1  10.0 below 40-70
CPU Usage: 83.0  Current Thread Number: 0  own 0.2  other 82.8  stolen 5.0  out of reach: other work uses 82.8, more than max 70.0
CPU Usage: 83.0  Current Thread Number: 0  own 0.2  other 82.8  stolen 5.0  out of reach: other work uses 82.8, more than max 70.0
CPU Usage: 83.0  Current Thread Number: 0  own 0.2  other 82.8  stolen 5.0  out of reach: the CPU counters do not advance (stat:1: nonsense)
CPU Usage: 55.1  Current Thread Number: 3  own 52.0  other 3.1
Settled after 0.8 s, in band 99.9 % of the time since (58.1s in all), at worst 1.9 above at 12.3s, thread changes 2.
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	wantErr := `loadgen: 40-70 out of reach: other work uses 82.8, more than max 70.0
loadgen: 40-70 out of reach: the CPU counters do not advance
`
	if errs.String() != wantErr {
		t.Errorf("stderr\n%swant\n%s", errs.String(), wantErr)
	}
}

func TestSummaryText(t *testing.T) {
	for want, s := range map[string]loadgen.Summary{
		"Never settled, in band 12.3 % of 10s, at worst 30.0 below at 4s, thread changes 0.": {
			Elapsed: 10 * time.Second, InBand: 0.1234, Worst: -0.3, WorstAt: 4 * time.Second,
		},
		"Settled after 0.4 s, in band 100 % of the time since (1m0s in all), thread changes 0.": {
			Elapsed: time.Minute, Settled: true, Settle: 400 * time.Millisecond, InBand: 1,
		},
	} {
		if got := summaryText(s); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestJSONView(t *testing.T) {
	var out strings.Builder
	v := newJSONView(&out)
	v.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	v.report(held)
	v.report(crowded)
	v.end(loadgen.Summary{Elapsed: 2 * time.Second, InBand: 0.5, Worst: -0.1234})
	want := `{"time":"2026-01-02T03:04:05Z","min":40,"max":70,"cpu":55.1,"own":52,"background":3.1,"steal":0,"threads":3,"duty":42,"in_band":true}
{"time":"2026-01-02T03:04:05Z","min":40,"max":70,"cpu":83,"own":0.2,"background":82.8,"steal":5,"threads":0,"duty":0,"in_band":false,"obstacle":"background","why":"other work uses 82.8, more than max 70.0"}
{"summary":{"seconds":2,"settle_seconds":null,"in_band":50,"worst":-12.34,"worst_at_seconds":0,"thread_changes":0}}
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	for l := range strings.Lines(out.String()) {
		if !json.Valid([]byte(l)) {
			t.Errorf("not JSON: %s", l)
		}
	}
}

// story is a minute in which other work comes and goes.
func story(v *liveView) {
	for i := range 30 {
		r := held
		r.At = time.Duration(i) * time.Second
		switch {
		case i < 2:
			r.CPU, r.Own = 0.1, 0.1
		case i >= 12 && i < 20:
			r.CPU, r.Own = 0.55, 0.05
		case i >= 24 && i < 27:
			r.CPU, r.Own = 0.9, 0
		}
		v.report(r)
	}
}

func lastFrame(out string) string {
	_, last, _ := cutLast(out, "\x1b[J")
	return last
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

func TestLiveViewDrawsTheLastMinute(t *testing.T) {
	var out strings.Builder
	v := newLiveView(&out, func() (int, int) { return 60, 24 }, false, time.Second)
	story(v)
	want := ` 100 |                                               ▂▂▂
     |                                               ▒▒▒
  70 |┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈▒▒▒┈┈┈
     |                         ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▒▒▒▃▃▃
  40 |┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈██████████▒▒▒▒▒▒▒▒████▒▒▒███
     |                         ██████████▒▒▒▒▒▒▒▒████▒▒▒███
     |                         ██████████▒▒▒▒▒▒▒▒████▒▒▒███
     |                       ▆▆██████████▒▒▒▒▒▒▒▒████▒▒▒███
   0 +-53s----------------------------------------------now
CPU Usage: 55.1  Current Thread Number: 3  own 52.0  other
`
	var got strings.Builder
	for l := range strings.Lines(lastFrame(out.String())) {
		got.WriteString(strings.TrimRight(l, " \n") + "\n")
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func TestLiveViewFitsAnyTerminal(t *testing.T) {
	for _, size := range [][2]int{{200, 50}, {80, 24}, {60, 24}, {31, 13}, {80, 5}, {20, 20}, {1, 1}} {
		for _, color := range []bool{false, true} {
			var out strings.Builder
			v := newLiveView(&out, func() (int, int) { return size[0], size[1] }, color, time.Second)
			story(v)
			v.report(crowded)
			frame := strings.TrimSuffix(lastFrame(out.String()), "\n")
			lines := strings.Split(frame, "\n")
			if len(lines) > max(size[1]-1, 2) {
				t.Errorf("%v: %d lines", size, len(lines))
			}
			for _, l := range lines {
				if n := len([]rune(stripEscapes(l))); n >= max(size[0], 2) {
					t.Errorf("%v: a line of %d: %q", size, n, l)
				}
			}
			if !color && strings.Contains(frame, "\x1b[3") {
				t.Errorf("colour in %q", frame)
			}
		}
	}
}

func stripEscapes(s string) string {
	var b strings.Builder
	for s != "" {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			break
		}
		i := strings.IndexFunc(after, func(r rune) bool { return r >= '@' && r <= '~' })
		s = after[i+1:]
	}
	return b.String()
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	m.report(crowded)
	m.report(held)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, s := range f.GetMetric() {
			name := f.GetName()
			if f.GetName() == "loadgen_out_of_reach" {
				name += "/" + s.GetLabel()[0].GetValue()
			}
			got[name] = s.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"loadgen_target_min_ratio": 0.4, "loadgen_target_max_ratio": 0.7, "loadgen_cpu_usage_ratio": 0.551,
		"loadgen_own_ratio": 0.52, "loadgen_background_ratio": 0.031, "loadgen_threads": 3, "loadgen_thread_duty_ratio": 0.42,
		"loadgen_in_band_ratio": 0.9987, "loadgen_settle_seconds": 0.4, "loadgen_out_of_reach/background": 0,
		"loadgen_out_of_reach/room": 0, "loadgen_build_info": 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	m.report(crowded)
}
