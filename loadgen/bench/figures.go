package main

import (
	"fmt"
	"math"
	"slices"
)

// figure is a row of the table.
type figure struct {
	scene string
	name  string
	unit  string
	reach string // what to reach, in words
	good  func(float64) bool
	of    func(trial) float64
	ours  bool // makes sense for loadgen only
}

func atMost(limit float64) func(float64) bool {
	return func(x float64) bool { return x <= limit } // false for NaN
}

func atLeast(limit float64) func(float64) bool {
	return func(x float64) bool { return x >= limit }
}

// Times of the step, and of the overload.
const (
	stepOn, stepOff = 15, 30
	freezeAt        = 6
)

var scenes = []scene{
	{name: "quiet 40-70", min: 40, max: 70, length: 25},
	{name: "quiet 48-52", min: 48, max: 52, length: 25},
	{name: "quiet 49-51", min: 49, max: 51, length: 25},
	{name: "half taken 40-70", min: 40, max: 70, length: 45, work: 0.5, on: stepOn, off: stepOff},
	{name: "half taken 48-52", min: 48, max: 52, length: 45, work: 0.5, on: stepOn, off: stepOff},
	{name: "bursts 40-70", min: 40, max: 70, length: 40, work: 0.5, on: 10, bursts: true},
	{name: "all wanted 40-70", min: 40, max: 70, length: 35, work: 1, on: stepOn, off: stepOff},
	{name: "frozen 40-70", min: 40, max: 70, length: 12, freeze: freezeAt},
	{name: "long 40-70", min: 40, max: 70, length: 300},
}

var figures = []figure{
	{"quiet 40-70", "settle from cold", "s", "≤ 1", atMost(1), func(t trial) float64 { return t.settled(0, 5, t.scene.length) }, false},
	{"quiet 40-70", "1 s means in band", "%", "100", atLeast(100), sinceFirst(0), false},
	{"quiet 48-52", "1 s means in band after 2 s", "%", "≥ 99", atLeast(99), sinceFirst(2), false},
	{"quiet 49-51", "1 s means in band", "%", "≥ 90", atLeast(90), sinceFirst(0), false},
	{"half taken 40-70", "1 s means in band during", "%", "≥ 98", atLeast(98), func(t trial) float64 { return t.share(stepOn, stepOff) }, false},
	{"half taken 40-70", "1 s means in band after", "%", "≥ 98", atLeast(98), func(t trial) float64 { return t.share(stepOff, t.scene.length) }, false},
	{"half taken 40-70", "overshoot", "points", "0", atMost(0), func(t trial) float64 { return t.over(2, t.scene.length) }, false},
	{"half taken 48-52", "recovery on", "s", "≤ 2.5", atMost(2.5), func(t trial) float64 { return t.settled(stepOn, 3, stepOff) - stepOn }, false},
	{"half taken 48-52", "recovery off", "s", "≤ 1.5", atMost(1.5), func(t trial) float64 { return t.settled(stepOff, 3, t.scene.length) - stepOff }, false},
	{"bursts 40-70", "1 s means in band", "%", "≥ 98", atLeast(98), func(t trial) float64 { return t.share(10, t.scene.length) }, false},
	{"all wanted 40-70", "left running from 3 s on", "% of the machine", "≤ 0.5", atMost(0.5), func(t trial) float64 { return t.toolMean(stepOn+3, stepOff) }, false},
	{"frozen 40-70", "own load 0 after", "s", "≤ 2", atMost(2), func(t trial) float64 { return t.quietAfter(freezeAt) }, true},
	{"long 40-70", "thread changes after settling, 5 min", "", "0", atMost(0), trial.threadChanges, true},
	{"quiet 40-70", "control thread", "% of a CPU", "≤ 0.5", atMost(0.5), func(t trial) float64 { return 100 * t.control }, true},
	{"quiet 40-70", "kernel share of its CPU", "%", "≤ 1", atMost(1), func(t trial) float64 { return 100 * t.system }, false},
	{"quiet 40-70", "stop after Ctrl-C", "s", "≤ 0.1", atMost(0.1), func(t trial) float64 { return t.stop.Seconds() }, false},
	{"quiet 40-70", "processes left behind", "", "0", atMost(0), func(t trial) float64 { return float64(t.left) }, false},
}

// sinceFirst returns the share of time in band since the band was first met,
// but not before a time.
func sinceFirst(from float64) func(trial) float64 {
	return func(t trial) float64 {
		first := t.first()
		if math.IsNaN(first) {
			return 0
		}
		return t.share(max(first, from), t.scene.length)
	}
}

// cell sums up the values of several runs: the median and the range.
func (f figure) cell(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	slices.SortFunc(values, func(a, b float64) int {
		switch { // NaN, which is never, is the worst of times
		case math.IsNaN(a) && math.IsNaN(b):
			return 0
		case math.IsNaN(a):
			return 1
		case math.IsNaN(b):
			return -1
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	median := values[len(values)/2]
	text := show(median)
	if lo, hi := show(values[0]), show(values[len(values)-1]); lo != hi {
		text += fmt.Sprintf(" (%s..%s)", lo, hi)
	}
	if !f.good(median) {
		text += " ✗"
	}
	return text
}

func show(x float64) string {
	switch {
	case math.IsNaN(x):
		return "never"
	case x == math.Trunc(x):
		return fmt.Sprintf("%.0f", x)
	case math.Abs(x) < 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.1f", x)
}
