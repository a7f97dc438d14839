package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/loadgen"
)

func TestScenario(t *testing.T) {
	dir := t.TempDir()
	csv := "# measured\ntime, cpu\n0, 12.5\n1, 80%\n2, 3\n"
	if err := os.WriteFile(filepath.Join(dir, "trace.csv"), []byte(csv), 0o644); err != nil {
		t.Fatal(err)
	}
	text := `
loop = true

[[step]]
for = "10s"
min = 10
max = 20.5

[[step]]
kind = "ramp"
for = "10s"
min = 60
max = 80

[[step]]
kind = "sine"
for = "8s"
min = 40
max = 50
amplitude = 20
period = "8s"

[[step]]
kind = "replay"
file = "trace.csv"
column = "cpu"
every = "2s"
width = 4
`
	path := filepath.Join(dir, "s.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := loadScenario(path)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Loop || p.Length() != 34*time.Second {
		t.Errorf("loop %v, length %v", p.Loop, p.Length())
	}
	for at, want := range map[time.Duration]loadgen.Band{
		5 * time.Second:  {Min: 0.10, Max: 0.205},
		15 * time.Second: {Min: 0.35, Max: 0.5025},
		22 * time.Second: {Min: 0.60, Max: 0.70},
		29 * time.Second: {Min: 0.105, Max: 0.145},
		31 * time.Second: {Min: 0.78, Max: 0.82},
		33 * time.Second: {Min: 0.01, Max: 0.05},
		39 * time.Second: {Min: 0.10, Max: 0.205},
	} {
		if got := p.Band(at); math.Abs(got.Min-want.Min) > 1e-9 || math.Abs(got.Max-want.Max) > 1e-9 {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
}

func TestTheLastStepMayHaveNoEnd(t *testing.T) {
	p, err := parseScenario("s.toml", "[[step]]\nmin = 40\nmax = 70\n")
	if err != nil || p.Ended(time.Hour) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestScenarioFaultsSayWhere(t *testing.T) {
	tests := []struct{ text, want string }{
		{"loop = \n", "s.toml:1:8: expected value"},
		{"", "s.toml:1:1: there is no [[step]]"},
		{"lop = true\n[[step]]\nmin=1\nmax=2\n", "s.toml:1:1: lop is not a setting of a scenario"},
		{"loop = 3\n[[step]]\nmin=1\nmax=2\n", "s.toml:1:1: loop (3) must be true or false"},
		{"[[step]]\nfor=\"1s\"\nmin = 50\nmax = 40\n", "s.toml:3:1: min (50) must be below max (40)"},
		{"[[step]]\nmin=1\nmax=2\n[[step]]\nmin=3\nmax=4\n", "s.toml:1:1: for is missing"},
		{"loop=true\n[[step]]\nmin=1\nmax=2\n", "s.toml:2:1: for is missing"},
		{"[[step]]\nmin=1\nmax=2\nfor=\"1s\"\n[[step]]\n  min=\"x\"\nmax=200\n", "s.toml:6:3: min (x) must be a number of percent"},
		{"[[step]]\nmin=1\nmax=200\n", "s.toml:3:1: max (200) must be in 0..100"},
		{"[[step]]\nmin=1\n", "s.toml:1:1: max is missing"},
		{"[[step]]\nfor=5\nmin=1\nmax=2\n", `s.toml:2:1: for (5) must be a time such as "30s" or "5m"`},
		{"[[step]]\nfor=\"-5s\"\nmin=1\nmax=2\n", "s.toml:2:1: for (-5s) must be a time"},
		{"[[step]]\nkind=\"jump\"\n", "s.toml:2:1: kind (jump) must be hold, ramp, sine or replay"},
		{"[[step]]\nkind=\"ramp\"\nfor=\"1s\"\nmin=1\nmax=2\n", "s.toml:2:1: a ramp needs a step before it"},
		{"[[step]]\nfor=\"1s\"\nmin=1\nmax=2\nperiod=\"1s\"\n", "s.toml:5:1: period is not a setting of a hold step: it has kind, for, min, max"},
		{"[[step]]\nkind=\"sine\"\nfor=\"1s\"\nmin=1\nmax=2\namplitude=10\nperiod=\"1s\"\n", "s.toml:6:1: amplitude (10) moves the band to -9..12, out of 0..100"},
		{"[[step]]\nkind=\"replay\"\n", "s.toml:1:1: a replay step needs file"},
		{"[[step]]\nkind=\"replay\"\nfile=\"/nonexistent.csv\"\n", "s.toml:3:1: open /nonexistent.csv: no such file"},
	}
	for _, tt := range tests {
		_, err := parseScenario("s.toml", tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %q, want %q", tt.text, err, tt.want)
		}
	}
	_, err := parseScenario("s.toml", "[[step]]\nmin=1\nmax=200\nfoo=1\n")
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two faults give %q, want two lines", err)
	}
}

func TestReadColumn(t *testing.T) {
	tests := []struct {
		text   string
		column any
		want   []float64
		err    string
	}{
		{"10\n20\n\n30\n", nil, []float64{0.1, 0.2, 0.3}, ""},
		{"t,cpu\n1,10\n2,20\n", nil, []float64{0.1, 0.2}, ""},
		{"10,1\n20,2\n", int64(1), []float64{0.1, 0.2}, ""},
		{"cpu,t\n10,1\n", "cpu", []float64{0.1}, ""},
		{"cpu,t\n10,1\n", "cqu", nil, `f.csv:1:1: no column "cqu" among cpu, t`},
		{"10\n2o\n", nil, nil, `f.csv:2:1: "2o" is not a percentage in 0..100`},
		{"1,10\n2,120\n", nil, nil, `f.csv:2:3: "120" is not a percentage in 0..100`},
		{"1,10\n2\n", int64(2), nil, `f.csv:2:1: no column 2 in a row of 1`},
		{"1\n", int64(0), nil, "f.csv: column (0) must be a name or a number from 1"},
		{"1\n", 1.5, nil, "f.csv: column (1.5) must be a name or a number from 1"},
		{"a\n", nil, nil, "f.csv: no values"},
		{"", nil, nil, "f.csv: no values"},
		{"\"1\n", nil, nil, "f.csv: parse error on line 1"},
	}
	for _, tt := range tests {
		got, err := readColumn("f.csv", strings.NewReader(tt.text), tt.column)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want %s", tt.text, err, tt.err)
			}
			continue
		}
		if err != nil || len(got) != len(tt.want) {
			t.Errorf("%q: %v, %v, want %v", tt.text, got, err, tt.want)
			continue
		}
		for i := range got {
			if math.Abs(got[i]-tt.want[i]) > 1e-9 {
				t.Errorf("%q: %v, want %v", tt.text, got, tt.want)
			}
		}
	}
}

func FuzzScenario(f *testing.F) {
	f.Add("loop = true\n[[step]]\nkind = \"sine\"\nfor = \"1s\"\nmin = 10\nmax = 20\namplitude = 5\nperiod = \"1s\"\n")
	f.Add("[[step]]\nfor = \"1s\"\nmin = 1\nmax = 2\n[[step]]\nkind = \"ramp\"\nfor = \"1s\"\nmin = 3\nmax = 4\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "replay") {
			return // reads files
		}
		p, err := parseScenario("s.toml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "s.toml:") {
				t.Fatalf("error %q does not name the file", err)
			}
			return
		}
		for _, at := range []time.Duration{0, time.Second, time.Minute, time.Hour} {
			if b := p.Band(at); b.Validate() != nil {
				t.Fatalf("band %v at %v", b, at)
			}
		}
	})
}
