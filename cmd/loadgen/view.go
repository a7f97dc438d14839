package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/loadgen"
)

// view shows a run.
type view interface {
	report(loadgen.Report)
	end(loadgen.Summary)
}

// line is the text of a report. It begins with the words of the script that
// this tool replaces, which other programs look for.
func line(r loadgen.Report) string {
	return fmt.Sprintf("CPU Usage: %.1f  Current Thread Number: %d", 100*r.CPU, r.Threads)
}

// parts says what the usage is made of.
func parts(r loadgen.Report) string {
	s := fmt.Sprintf("own %.1f  other %.1f", 100*r.Own, 100*r.Background)
	if r.Steal > 0.01 {
		s += fmt.Sprintf("  stolen %.1f", 100*r.Steal)
	}
	return s
}

// state says whether the band is held, and if not, why.
func state(r loadgen.Report) string {
	switch {
	case r.Obstacle.Cause != loadgen.CauseNone:
		s := "out of reach: " + r.Obstacle.String()
		if r.Err != nil {
			s += " (" + r.Err.Error() + ")"
		}
		return s
	case r.CPU > r.Band.Max:
		return fmt.Sprintf("%.1f above %s", 100*(r.CPU-r.Band.Max), bandText(r.Band))
	case r.CPU < r.Band.Min:
		return fmt.Sprintf("%.1f below %s", 100*(r.Band.Min-r.CPU), bandText(r.Band))
	}
	return ""
}

func bandText(b loadgen.Band) string { return fmt.Sprintf("%.4g-%.4g", 100*b.Min, 100*b.Max) }

func summaryText(s loadgen.Summary) string {
	var b strings.Builder
	took := s.Elapsed.Round(100 * time.Millisecond)
	if s.Settled {
		fmt.Fprintf(&b, "Settled after %.1f s, in band %s of the time since (%v in all)",
			s.Settle.Seconds(), percent(s.InBand), took)
	} else {
		fmt.Fprintf(&b, "Never settled, in band %s of %v", percent(s.InBand), took)
	}
	switch {
	case s.Worst > 0:
		fmt.Fprintf(&b, ", at worst %.1f above at %v", 100*s.Worst, s.WorstAt.Round(100*time.Millisecond))
	case s.Worst < 0:
		fmt.Fprintf(&b, ", at worst %.1f below at %v", -100*s.Worst, s.WorstAt.Round(100*time.Millisecond))
	}
	fmt.Fprintf(&b, ", thread changes %d.", s.ThreadChanges)
	return b.String()
}

// percent never rounds up to 100: that is for runs that missed nothing.
func percent(share float64) string {
	if share >= 1 {
		return "100 %"
	}
	return fmt.Sprintf("%.1f %%", math.Floor(share*1000)/10)
}

// textView prints a line for each report.
type textView struct {
	out, err io.Writer
	said     loadgen.Cause
}

func (v *textView) report(r loadgen.Report) {
	text := line(r) + "  " + parts(r)
	if s := state(r); s != "" {
		text += "  " + s
	}
	fmt.Fprintln(v.out, text)
	if c := r.Obstacle.Cause; c != v.said {
		v.said = c
		if c != loadgen.CauseNone {
			fmt.Fprintf(v.err, "loadgen: %s out of reach: %s\n", bandText(r.Band), r.Obstacle)
		}
	}
}

func (v *textView) end(s loadgen.Summary) { fmt.Fprintln(v.out, summaryText(s)) }

// jsonView prints an object for each report. Shares are in percent.
type jsonView struct {
	enc *json.Encoder
	now func() time.Time
}

func newJSONView(w io.Writer) *jsonView {
	return &jsonView{enc: json.NewEncoder(w), now: time.Now}
}

type jsonReport struct {
	Time       time.Time `json:"time"`
	Min        float64   `json:"min"`
	Max        float64   `json:"max"`
	CPU        float64   `json:"cpu"`
	Own        float64   `json:"own"`
	Background float64   `json:"background"`
	Steal      float64   `json:"steal"`
	Threads    int       `json:"threads"`
	Duty       float64   `json:"duty"`
	InBand     bool      `json:"in_band"`
	Cause      string    `json:"obstacle,omitempty"`
	Why        string    `json:"why,omitempty"`
	Dropped    int       `json:"dropped,omitempty"`
}

func (v *jsonView) report(r loadgen.Report) {
	_ = v.enc.Encode(jsonReport{
		Time: v.now(), Min: hundredths(r.Band.Min), Max: hundredths(r.Band.Max),
		CPU: hundredths(r.CPU), Own: hundredths(r.Own), Background: hundredths(r.Background), Steal: hundredths(r.Steal),
		Threads: r.Threads, Duty: hundredths(r.Duty), InBand: r.InBand,
		Cause: string(r.Obstacle.Cause), Why: r.Obstacle.String(), Dropped: r.Dropped,
	})
}

type jsonSummary struct {
	Seconds       float64  `json:"seconds"`
	Settle        *float64 `json:"settle_seconds"` // null: never
	InBand        float64  `json:"in_band"`
	Worst         float64  `json:"worst"` // points above, or below if negative
	WorstAt       float64  `json:"worst_at_seconds"`
	ThreadChanges int      `json:"thread_changes"`
}

func (v *jsonView) end(s loadgen.Summary) {
	j := jsonSummary{
		Seconds: thousandths(s.Elapsed), InBand: hundredths(s.InBand), Worst: hundredths(s.Worst),
		WorstAt: thousandths(s.WorstAt), ThreadChanges: s.ThreadChanges,
	}
	if s.Settled {
		t := thousandths(s.Settle)
		j.Settle = &t
	}
	_ = v.enc.Encode(map[string]jsonSummary{"summary": j})
}

// hundredths turns a share into percent with two decimals.
func hundredths(share float64) float64 { return math.Round(share*1e4) / 100 }

func thousandths(d time.Duration) float64 { return math.Round(d.Seconds()*1e3) / 1e3 }
