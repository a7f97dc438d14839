package main

import (
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/loadgen"
)

// fields reads the settings of one step and complains about each that is
// wrong.
type fields struct {
	s   *scenario
	n   int // of the step, from 1
	raw map[string]any
	ok  bool // the band was read
}

func keys(m map[string]any) iter.Seq[string] { return maps.Keys(m) }

// duration reads a time such as "30s". It may be absent if optional is true.
func (f *fields) duration(key string, optional bool) time.Duration {
	v, ok := f.raw[key]
	if !ok {
		if !optional {
			f.s.fault(f.n, "", "%s is missing, as in %s = \"30s\"", key, key)
		}
		return 0
	}
	text, ok := v.(string)
	d, err := time.ParseDuration(text)
	if !ok || err != nil || d <= 0 {
		f.s.fault(f.n, key, "%s (%v) must be a time such as \"30s\" or \"5m\"", key, v)
		return 0
	}
	return d
}

// percent reads a number in 0..100 as a share.
func (f *fields) percent(key string) float64 {
	v, ok := f.raw[key]
	if !ok {
		f.s.fault(f.n, "", "%s is missing, as in %s = 40", key, key)
		return 0
	}
	var x float64
	switch v := v.(type) {
	case int64:
		x = float64(v)
	case float64:
		x = v
	default:
		f.s.fault(f.n, key, "%s (%v) must be a number of percent", key, v)
		return 0
	}
	if !(x >= 0 && x <= 100) {
		f.s.fault(f.n, key, "%s (%v) must be in 0..100", key, v)
		return 0
	}
	return x / 100
}

// band reads min and max.
func (f *fields) band() loadgen.Band {
	before := len(f.s.faults)
	b := loadgen.Band{Min: f.percent("min"), Max: f.percent("max")}
	f.ok = len(f.s.faults) == before
	if f.ok && b.Min >= b.Max {
		f.s.fault(f.n, "min", "min (%.4g) must be below max (%.4g)", 100*b.Min, 100*b.Max)
		f.ok = false
	}
	return b
}

// position is a place in a file, counted from 1.
type position struct{ line, col int }

// positions knows where the keys of a scenario stand. The TOML library keeps
// only the last of several equal keys, and a scenario repeats them all.
type positions map[place]position

type place struct {
	step int // 0: before the first
	key  string
}

// locate finds headers and keys that begin a line, which is how scenarios are
// written; anything else is found by its step only.
func locate(text string) positions {
	p := positions{{}: {1, 1}}
	step := 0
	number := 0
	for l := range strings.Lines(text) {
		number++
		trimmed := strings.TrimLeft(l, " \t")
		at := position{number, len(l) - len(trimmed) + 1}
		switch {
		case strings.HasPrefix(trimmed, "[["):
			step++
			p[place{step, ""}] = at
		case strings.HasPrefix(trimmed, "["), strings.HasPrefix(trimmed, "#"):
		default:
			if key, _, ok := strings.Cut(trimmed, "="); ok {
				p[place{step, strings.Trim(strings.TrimSpace(key), `"'`)}] = at
			}
		}
	}
	return p
}

// of returns the place of a key, else of its step, else the top.
func (p positions) of(step int, key string) position {
	for _, at := range []place{{step, key}, {step, ""}} {
		if found, ok := p[at]; ok {
			return found
		}
	}
	return position{1, 1}
}
