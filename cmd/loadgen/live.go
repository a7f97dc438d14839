package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/virtbalance/virtbalance/loadgen"
)

// liveView redraws one line in place, with a chart of the last minute above
// it where the terminal has room for one.
type liveView struct {
	out   io.Writer
	size  func() (width, height int)
	paint palette

	binWidth time.Duration // time of a column
	bins     []bin         // oldest first, the last one still growing
	last     loadgen.Report
	drawn    int // lines on the screen, the cursor being below the last
}

// bin is a column of the chart: means over its reports.
type bin struct {
	until      time.Duration
	own, other float64 // sums
	n          int
	band       loadgen.Band
}

const chartTime = time.Minute

func newLiveView(out io.Writer, size func() (int, int), color bool, every time.Duration) *liveView {
	v := &liveView{out: out, size: size, binWidth: max(every, time.Second)}
	if color {
		v.paint = colors
	}
	return v
}

func (v *liveView) report(r loadgen.Report) {
	v.last = r
	if len(v.bins) == 0 || r.At >= v.bins[len(v.bins)-1].until {
		v.bins = append(v.bins, bin{until: r.At.Truncate(v.binWidth) + v.binWidth})
		if most := int(chartTime / v.binWidth); len(v.bins) > max(most, 1) {
			v.bins = v.bins[1:]
		}
	}
	b := &v.bins[len(v.bins)-1]
	b.own += r.Own
	b.other += r.CPU - r.Own
	b.n++
	b.band = r.Band
	v.draw(v.frame())
}

func (v *liveView) end(s loadgen.Summary) {
	// The terminal has written ^C where the summary goes.
	fmt.Fprint(v.out, "\r\x1b[J", summaryText(s), "\n")
}

// draw replaces the lines drawn before.
func (v *liveView) draw(lines []string) {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", v.drawn)
	}
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	v.drawn = len(lines)
	_, _ = io.WriteString(v.out, b.String())
}

// frame returns what is to be seen now. No line is wider than the terminal,
// for a wrapped line could not be replaced.
func (v *liveView) frame() []string {
	const (
		rows     = 8
		rowsMore = 4 // the line, the state, and room to breathe
		widthMin = 30
	)
	width, height := v.size()
	var lines []string
	if width >= widthMin && height >= rows+rowsMore {
		lines = v.chart(rows, width)
	}
	text := line(v.last) + "  " + parts(v.last)
	if s := v.last.Summary; s.Settled {
		text += "  in band " + percent(s.InBand)
	}
	lines = append(lines, v.legend(cut(text, width)))
	if s := state(v.last); s != "" {
		lines = append(lines, v.paint.warn+cut(s, width)+v.paint.end)
	}
	return lines
}

// cut shortens plain text to the width of the terminal.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) < width {
		return s
	}
	r := []rune(s)
	return string(r[:max(width-1, 0)])
}

// legend gives the figures in the line the colours of the chart.
func (v *liveView) legend(text string) string {
	own := v.paint.own
	if !v.last.InBand {
		own = v.paint.ownOut
	}
	for _, part := range []struct{ word, paint string }{{"own ", own}, {"other ", v.paint.other}} {
		before, after, ok := strings.Cut(text, "  "+part.word)
		if !ok || part.paint == "" {
			continue
		}
		figure := len(after)
		if i := strings.IndexByte(after, ' '); i >= 0 {
			figure = i
		}
		text = before + "  " + part.paint + part.word + after[:figure] + v.paint.end + after[figure:]
	}
	return text
}

// palette holds the escape sequences of the chart; all empty without colour.
type palette struct {
	own, ownOut string // own load, while in the band and outside
	other, on   string // other load; other load below own in one cell
	onOut       string // likewise, while outside
	edge, warn  string
	end         string
}

var colors = palette{
	own: "\x1b[32m", ownOut: "\x1b[33m",
	other: "\x1b[90m", on: "\x1b[90;42m", onOut: "\x1b[90;43m",
	edge: "\x1b[36m", warn: "\x1b[33m", end: "\x1b[0m",
}

// chart draws a column a second: other load below, own load on top of it, and
// the edges of the band as dotted lines.
//
//	100 |
//	 70 |......................
//	    |       #########
//	 40 |...#################..
//	    |==#####=====##########
//	  0 +----------------------
func (v *liveView) chart(rows, width int) []string {
	const axis = 6
	columns := min(int(chartTime/v.binWidth), width-axis-1)
	bins := v.bins
	if len(bins) > columns {
		bins = bins[len(bins)-columns:]
	}
	var lines []string
	for row := rows - 1; row >= 0; row-- {
		low, high := float64(row)/float64(rows), float64(row+1)/float64(rows)
		var b strings.Builder
		b.WriteString(v.label(low, high, row == rows-1))
		b.WriteString(strings.Repeat(v.empty(v.last.Band, low, high), columns-len(bins)))
		for _, bin := range bins {
			b.WriteString(v.cell(bin, low, high))
		}
		lines = append(lines, b.String())
	}
	span := time.Duration(columns) * v.binWidth
	return append(lines, fmt.Sprintf("   0 +%s", timeAxis(columns, span)))
}

// label marks the top of the scale and the edges of the band.
func (v *liveView) label(low, high float64, top bool) string {
	band := v.last.Band
	hasMin, hasMax := within(band.Min, low, high), within(band.Max, low, high)
	text := ""
	switch {
	case hasMin && hasMax:
		text = fmt.Sprintf("%.0f-%.0f", 100*band.Min, 100*band.Max)
	case hasMin:
		text = fmt.Sprintf("%.0f", 100*band.Min)
	case hasMax:
		text = fmt.Sprintf("%.0f", 100*band.Max)
	case top:
		text = "100"
	}
	return fmt.Sprintf("%4s |", cut(text, 6))
}

// within reports whether an edge is drawn in the row from low to high. The
// highest row takes 100 as well.
func within(edge, low, high float64) bool {
	return edge > low && edge <= high
}

func (v *liveView) empty(band loadgen.Band, low, high float64) string {
	if within(band.Min, low, high) || within(band.Max, low, high) {
		return v.paint.edge + "┈" + v.paint.end
	}
	return " "
}

// eighths fill a cell from below.
var eighths = []rune(" ▁▂▃▄▅▆▇█")

func (v *liveView) cell(b bin, low, high float64) string {
	n := float64(max(b.n, 1))
	other := max(b.other/n, 0)
	total := other + max(b.own/n, 0)
	part := func(x float64) int {
		return int(min(max((x-low)/(high-low), 0), 1)*8 + 0.5)
	}
	p := v.paint
	own, on := p.own, p.on
	if !b.band.Contains(total) {
		own, on = p.ownOut, p.onOut
	}
	all, rest := part(total), part(other)
	switch {
	case all == 0:
		return v.empty(b.band, low, high)
	case p.end == "" && all == 8 && rest >= 4:
		return "▒" // without colour, other load is a lighter shade
	case p.end == "":
		return string(eighths[all])
	case rest >= all, all < 8 && 2*rest >= all:
		// A cell has two colours, so where own load ends in it as well, the
		// larger part stands for both.
		return p.other + string(eighths[all]) + p.end
	case rest == 0, all < 8:
		return own + string(eighths[all]) + p.end
	}
	return on + string(eighths[rest]) + p.end
}

// timeAxis is the line below the chart: time before now, at its ends.
func timeAxis(columns int, span time.Duration) string {
	left, right := fmt.Sprintf("-%.0fs", span.Seconds()), "now"
	fill := columns - len(left) - len(right)
	if fill < 1 {
		return strings.Repeat("-", max(columns, 0))
	}
	return left + strings.Repeat("-", fill) + right
}
