package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/virtbalance/virtbalance/loadgen"
)

// loadScenario reads a timeline of bands. Faults are reported all at once,
// each as "file:line:column: what".
func loadScenario(path string) (loadgen.Program, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return loadgen.Program{}, fmt.Errorf("--scenario: %w", err)
	}
	return parseScenario(path, string(b))
}

func parseScenario(path, text string) (loadgen.Program, error) {
	var doc struct {
		Loop any              `toml:"loop"`
		Step []map[string]any `toml:"step"`
	}
	md, err := toml.Decode(text, &doc)
	if err != nil {
		return loadgen.Program{}, syntaxError(path, err)
	}
	s := scenario{path: path, where: locate(text)}
	for _, k := range md.Undecoded() {
		s.fault(0, k.String(), "%s is not a setting of a scenario: there are loop and [[step]]", k)
	}
	var p loadgen.Program
	if doc.Loop != nil {
		loop, ok := doc.Loop.(bool)
		if !ok {
			s.fault(0, "loop", "loop (%v) must be true or false", doc.Loop)
		}
		p.Loop = loop
	}
	if len(doc.Step) == 0 {
		s.fault(0, "", "there is no [[step]]")
	}
	for i, raw := range doc.Step {
		p.Segments = append(p.Segments, s.step(i+1, raw, p.Segments, i+1 == len(doc.Step) && !p.Loop))
	}
	return p, errors.Join(s.faults...)
}

func syntaxError(path string, err error) error {
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Errorf("%s:%d:%d: %s", path, parse.Position.Line, max(parse.Position.Col, 1), parse.Message)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// scenario collects what is wrong with a file.
type scenario struct {
	path   string
	where  positions
	faults []error
}

// fault notes a complaint about a key of a step, counted from 1; step 0 is the
// top of the file.
func (s *scenario) fault(step int, key, format string, a ...any) {
	p := s.where.of(step, key)
	s.faults = append(s.faults, fmt.Errorf("%s:%d:%d: %s", s.path, p.line, p.col, fmt.Sprintf(format, a...)))
}

// The kinds of a step and the settings each one has.
var kinds = map[string][]string{
	"hold":   {"kind", "for", "min", "max"},
	"ramp":   {"kind", "for", "min", "max"},
	"sine":   {"kind", "for", "min", "max", "amplitude", "period"},
	"replay": {"kind", "for", "file", "column", "every", "width"},
}

// step reads one step. endless allows it to have no "for".
func (s *scenario) step(n int, raw map[string]any, before []loadgen.Segment, endless bool) loadgen.Segment {
	f := fields{s: s, n: n, raw: raw}
	kind := "hold"
	if v, ok := raw["kind"]; ok {
		kind, _ = v.(string)
	}
	known, ok := kinds[kind]
	if !ok {
		s.fault(n, "kind", "kind (%v) must be hold, ramp, sine or replay", raw["kind"])
		return loadgen.Segment{}
	}
	for _, key := range slices.Sorted(keys(raw)) {
		if !slices.Contains(known, key) {
			s.fault(n, key, "%s is not a setting of a %s step: it has %s", key, kind, strings.Join(known, ", "))
		}
	}
	if kind == "replay" {
		return s.replay(f)
	}
	var seg loadgen.Segment
	seg.For = f.duration("for", endless && kind != "ramp")
	seg.To = f.band()
	seg.From = seg.To
	switch kind {
	case "ramp":
		if len(before) == 0 {
			s.fault(n, "kind", "a ramp needs a step before it to start from")
			break
		}
		seg.From = before[len(before)-1].At(before[len(before)-1].For)
	case "sine":
		seg.Sine = loadgen.Sine{Amplitude: f.percent("amplitude"), Period: f.duration("period", false)}
		if low, high := seg.To.Min-seg.Sine.Amplitude, seg.To.Max+seg.Sine.Amplitude; f.ok && (low < 0 || high > 1) {
			s.fault(n, "amplitude", "amplitude (%.4g) moves the band to %.4g..%.4g, out of 0..100",
				100*seg.Sine.Amplitude, 100*low, 100*high)
		}
	}
	return seg
}

// replay reads a step that takes the band's middle from a file.
func (s *scenario) replay(f fields) loadgen.Segment {
	width := 0.1
	if _, ok := f.raw["width"]; ok {
		width = f.percent("width")
	}
	if width <= 0 {
		s.fault(f.n, "width", "width must be more than 0")
	}
	every := time.Second
	if _, ok := f.raw["every"]; ok {
		every = f.duration("every", false)
	}
	var seg loadgen.Segment
	seg.From = loadgen.Band{Min: 0.5 - width/2, Max: 0.5 + width/2}
	seg.To = seg.From
	name, ok := f.raw["file"].(string)
	if !ok || name == "" {
		s.fault(f.n, "file", "a replay step needs file, the name of a CSV file")
		return seg
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(s.path), name)
	}
	file, err := os.Open(name)
	if err != nil {
		s.fault(f.n, "file", "%v", err)
		return seg
	}
	defer file.Close()
	values, err := readColumn(name, file, f.raw["column"])
	if err != nil {
		s.faults = append(s.faults, err)
		return seg
	}
	seg.Replay = loadgen.Replay{Values: values, Every: every}
	seg.For = time.Duration(len(values)) * every
	if _, ok := f.raw["for"]; ok {
		seg.For = f.duration("for", false)
	}
	return seg
}

// rowsMax bounds what is read of a CSV file: a year of seconds.
const rowsMax = 366 * 24 * 3600

// readColumn reads percentages from a column of a CSV file, chosen by its
// number from 1 or its name in the first line. By default it is the last one.
func readColumn(path string, r io.Reader, column any) ([]float64, error) {
	c := csv.NewReader(r)
	c.Comment = '#'
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	c.TrimLeadingSpace = true
	index := -1 // the last
	name := ""
	switch v := column.(type) {
	case nil:
	case int64:
		if v < 1 {
			return nil, fmt.Errorf("%s: column (%d) must be a name or a number from 1", path, v)
		}
		index = int(v) - 1
	case string:
		name = v
	default:
		return nil, fmt.Errorf("%s: column (%v) must be a name or a number from 1", path, v)
	}
	var values []float64
	for first := true; ; first = false {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if first && name != "" {
			if index = slices.Index(row, name); index < 0 {
				return nil, fmt.Errorf("%s:1:1: no column %q among %s", path, name, strings.Join(row, ", "))
			}
			continue
		}
		i := index
		if i < 0 {
			i = len(row) - 1
		}
		if i >= len(row) {
			line, col := c.FieldPos(0)
			return nil, fmt.Errorf("%s:%d:%d: no column %d in a row of %d", path, line, col, i+1, len(row))
		}
		v, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(row[i]), "%"), 64)
		if err != nil && first {
			continue // a heading
		}
		if err != nil || !(v >= 0 && v <= 100) {
			line, col := c.FieldPos(i)
			return nil, fmt.Errorf("%s:%d:%d: %q is not a percentage in 0..100", path, line, col, row[i])
		}
		if len(values) == rowsMax {
			return nil, fmt.Errorf("%s: more than %d rows", path, rowsMax)
		}
		values = append(values, v/100)
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("%s: no values", path)
	}
	return values, nil
}
