package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

// The pictures are paths in units of SVG; colours are the style sheet's. A plot
// is as wide as plotWidth, with a margin for the marks at its left.
const (
	plotLeft   = 52.0
	plotWidth  = 900.0
	loadTop    = 1.5 // the highest load that is drawn
	loadHeight = 220.0
	stripRoom  = 48.0
)

// tick is a mark on an axis, at so many units from its start.
type tick struct {
	At   float64
	Text string
}

// recordEvery is the interval of the recorded loads for a trace of so many
// samples: as many intervals as a picture has room for.
func recordEvery(samples int) time.Duration {
	const most = 288
	return sim.SampleInterval * time.Duration(max(1, (samples+most-1)/most))
}

// timeTicks are marks at round times, at most nine.
func timeTicks(length time.Duration) []tick {
	step := 24 * time.Hour
	for _, d := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if length/d <= 8 {
			step = d
			break
		}
	}
	for length/step > 8 {
		step *= 2
	}
	var ticks []tick
	for t := time.Duration(0); t <= length; t += step {
		text := fmt.Sprintf("%d:%02d", t/time.Hour, t%time.Hour/time.Minute)
		ticks = append(ticks, tick{plotWidth * float64(t) / float64(length), text})
	}
	return ticks
}

// loadY is where a load is drawn.
func loadY(u float64) float64 { return loadHeight * (1 - min(u, loadTop)/loadTop) }

// loads is the picture of a fleet's load over time: how it is spread over the
// hosts in each interval.
type loads struct {
	// All and Most are the areas of all hosts and of the middle 80 % of them,
	// Median the line between.
	All, Most, Median string
}

func loadsOf(r *sim.Recorder) loads {
	n := len(r.Use)
	edge := func(share float64) []string {
		points := make([]string, n)
		for k := range n {
			points[k] = fmt.Sprintf("%.1f %.1f", plotWidth*(float64(k)+0.5)/float64(n), loadY(r.Quantiles(k, share)[0]))
		}
		return points
	}
	area := func(low, high float64) string {
		points := edge(high)
		back := edge(low)
		for k := range back {
			points = append(points, back[n-1-k])
		}
		return "M" + strings.Join(points, "L") + "Z"
	}
	return loads{All: area(0, 1), Most: area(0.1, 0.9), Median: "M" + strings.Join(edge(0.5), "L")}
}

// heat is a picture of every host's load over time: a path for each class of
// load, and a row for each host or, in a large fleet, for the fullest of several.
type heat struct {
	Classes []string
	Each    int // hosts in a row
	Rows    int
	Height  float64
}

// heatMarks are the upper ends of the classes of load.
func heatMarks(m policy.Marks) []float64 {
	receive, high := float64(m.Receive), float64(m.High)
	return []float64{receive / 2, receive, high, 1}
}

func heatOf(r *sim.Recorder, hosts int, marks policy.Marks) heat {
	const mostRows, mostColumns = 120, 96
	limits := heatMarks(marks)
	h := heat{Each: (hosts + mostRows - 1) / mostRows}
	h.Rows = (hosts + h.Each - 1) / h.Each
	row := min(14, max(3, 360/float64(h.Rows)))
	h.Height = row * float64(h.Rows)
	paths := make([]strings.Builder, len(limits)+1)
	columns := min(mostColumns, len(r.Use))
	for y := range h.Rows {
		from, last := 0, -1
		for x := range columns + 1 {
			class := -1
			if x < columns {
				class = classOf(limits, fullest(r, x*len(r.Use)/columns, (x+1)*len(r.Use)/columns, y*h.Each, min(hosts, (y+1)*h.Each)))
			}
			if class == last {
				continue
			}
			if last >= 0 { // one rectangle for all alike
				width := plotWidth / float64(columns)
				fmt.Fprintf(&paths[last], "M%.1f %.1fh%.1fv%.1fH%.1fz", float64(from)*width, float64(y)*row, float64(x-from)*width, row-0.5, float64(from)*width)
			}
			from, last = x, class
		}
	}
	for i := range paths {
		h.Classes = append(h.Classes, paths[i].String())
	}
	return h
}

// fullest is the highest mean load of some hosts over some intervals.
func fullest(r *sim.Recorder, k, kEnd, host, hostEnd int) float64 {
	most := 0.0
	for h := host; h < hostEnd; h++ {
		sum := 0.0
		for _, use := range r.Use[k:kEnd] {
			sum += use[h]
		}
		most = max(most, sum/float64(kEnd-k))
	}
	return most
}

func classOf(limits []float64, u float64) int {
	for i, l := range limits {
		if u <= l {
			return i
		}
	}
	return len(limits)
}

// strip is a picture of how many migrations start in each of equal parts of the
// time.
type strip struct {
	Bars string
	Most int
	Part time.Duration
}

func stripOf(transits []sim.Transit, length time.Duration) strip {
	s := strip{Part: length / 96}
	counts := make([]int, 96)
	for _, t := range transits {
		i := min(95, int(t.At/s.Part))
		counts[i]++
		s.Most = max(s.Most, counts[i])
	}
	var path strings.Builder
	for i, n := range counts {
		if n > 0 {
			width, height := plotWidth/96, (stripRoom-4)*float64(n)/float64(s.Most)
			fmt.Fprintf(&path, "M%.1f %.0fv%.1fh%.1fV%.0fz", float64(i)*width+0.5, stripRoom, -height, width-1, stripRoom)
		}
	}
	s.Bars = path.String()
	return s
}

// spread is a picture of how the hosts' time is spread over loads, before and
// after: two bars for each class of load.
type spread struct {
	Before, After string
	Rows          []spreadRow
	Ticks, Shares []tick
}

// spreadRow says the same in words.
type spreadRow struct {
	X, Width float64
	Text     string
}

const spreadHeight = 200.0

func spreadOf(before, after *sim.Recorder) spread {
	// Classes of 10 %: half as many as were counted, the last for all above.
	const n = sim.Classes/2 + 1
	shares := func(r *sim.Recorder) (s [n]float64) {
		all := 0
		for _, c := range r.Classes {
			all += c
		}
		for i, c := range r.Classes {
			s[i/2] += float64(c) / float64(all)
		}
		return s
	}
	b, a := shares(before), shares(after)
	top := 0.05
	for i := range n {
		top = max(top, b[i], a[i])
	}
	var s spread
	var pb, pa strings.Builder
	const width = plotWidth / n
	for i := range n {
		x := float64(i) * width
		bar := func(p *strings.Builder, x, share float64) {
			if share > 0 {
				fmt.Fprintf(p, "M%.1f %.0fv%.1fh%.1fV%.0fz", x, spreadHeight, -spreadHeight*share/top, width*0.4, spreadHeight)
			}
		}
		bar(&pb, x+width*0.08, b[i])
		bar(&pa, x+width*0.52, a[i])
		text := fmt.Sprintf("load %d to %d %%", 10*i, 10*i+10)
		if i == n-1 {
			text = fmt.Sprintf("load above %d %%", 10*i)
		}
		s.Rows = append(s.Rows, spreadRow{x, width, fmt.Sprintf("%s: %.1f %% of the hosts' time with nothing moved, %.1f %% balanced", text, 100*b[i], 100*a[i])})
		if i%2 == 0 {
			s.Ticks = append(s.Ticks, tick{x, fmt.Sprintf("%d %%", 10*i)})
		}
	}
	for _, part := range []float64{0, 0.5, 1} {
		s.Shares = append(s.Shares, tick{spreadHeight * (1 - part), fmt.Sprintf("%.0f %%", 100*top*part)})
	}
	s.Before, s.After = pb.String(), pa.String()
	return s
}
