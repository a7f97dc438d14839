package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/virtbalance/virtbalance/loadgen"
)

func TestParse(t *testing.T) {
	c, err := parse(strings.Fields("--min 40 --max=70% --aim low --duration 90s --threads-max 3 --nice 7 --cpus 0-2,5 " +
		"--report 500ms --format json --strict --scope host --count-steal --proc /p --metrics-listen 127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	o := c.options
	if b := o.Program.Band(time.Hour); b != (loadgen.Band{Min: 0.4, Max: 0.7}) {
		t.Errorf("band %v", b)
	}
	if o.Aim != loadgen.AimLow || o.Duration != 90*time.Second || o.ThreadsMax != 3 || o.Nice != (loadgen.Nice{Level: 7}) ||
		!reflect.DeepEqual(o.CPUs, []int{0, 1, 2, 5}) || o.ReportEvery != 500*time.Millisecond || o.Scope != loadgen.ScopeHost ||
		!o.Counting.Steal || o.Counting.IOWait || o.Proc.Root() != "/p" {
		t.Errorf("options %+v", o)
	}
	if c.format != "json" || !c.strict || c.metricsListen != "127.0.0.1:0" {
		t.Errorf("config %+v", c)
	}
}

func TestParseDefaults(t *testing.T) {
	c, err := parse([]string{"--min", "40", "--max", "70"})
	if err != nil {
		t.Fatal(err)
	}
	o := c.options
	if o.Aim != loadgen.AimMid || o.Duration != 0 || !o.Nice.Idle || o.ReportEvery != time.Second ||
		o.Scope != loadgen.ScopeHost || o.Proc.Root() != "/proc" || c.format != "text" {
		t.Errorf("%+v", c)
	}
}

func TestParseRefusesEachFaultInALine(t *testing.T) {
	tests := []struct{ args, want string }{
		{"", "--min and --max are missing, as in loadgen --min 40 --max 70"},
		{"--min 40", "--max is missing: --min needs it"},
		{"--max 40", "--min is missing: --max needs it"},
		{"--min 70 --max 40", "--min 70 must be below --max 40"},
		{"--min 40 --max 40", "--min 40 must be below --max 40"},
		{"--min -1 --max 40", "--min -1 must be in 0..100"},
		{"--min 40 --max 140", "--max 140 must be in 0..100"},
		{"--min NaN --max 40", "--min NaN must be in 0..100"},
		{"--min forty --max 70", `--min "forty" is not a number of percent`},
		{"--min 40 --max 70 --aim high", `--aim "high" is neither mid nor low`},
		{"--min 40 --max 70 --scope world", `--scope "world" is neither host nor cgroup`},
		{"--min 40 --max 70 --format xml", `--format "xml" is neither text nor json`},
		{"--min 40 --max 70 --duration -1s", "--duration -1s must be more than 0"},
		{"--min 40 --max 70 --threads-max 0", "--threads-max 0 must be at least 1"},
		{"--min 40 --max 70 --report soon", `--report "soon" is not a time such as 1s or 500ms`},
		{"--min 40 --max 70 --report 1ms", "--report 1ms must be at least 100ms"},
		{"--min 40 --max 70 --nice 20", `--nice "20" is neither idle nor a level 0..19`},
		{"--min 40 --max 70 --cpus 3-1", `--cpus "3-1": "3-1" is not a CPU or a range such as 0-3`},
		{"--min 40 --max 70 --cpus 0,x", `--cpus "0,x": "x" is not a CPU or a range such as 0-3`},
		{"--min 40 --max 70 --cpus 9999", `--cpus "9999": "9999" is not a CPU or a range such as 0-3`},
		{"--min 40 --max 70 now", `unexpected argument "now" (see loadgen --help)`},
		{"--wobble", "unknown flag: --wobble (see loadgen --help)"},
		{"--scenario x --min 40 --max 70", "--scenario has its own bands: leave out --min and --max"},
		{"--scenario /nonexistent.toml", "--scenario: open /nonexistent.toml: no such file or directory"},
		{"--min 40 --max 70 --scope cgroup --count-steal", "--count-steal and --count-iowait need --scope host: a control group has neither"},
		{"--min 4 --max 7 --aim up --nice x", "--aim \"up\" is neither mid nor low\n--nice \"x\" is neither idle nor a level 0..19"},
	}
	for _, tt := range tests {
		_, err := parse(strings.Fields(tt.args))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: error %q, want %q", tt.args, err, tt.want)
		}
	}
	if _, err := parse([]string{"--help"}); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("--help: error %v", err)
	}
}

// The usage text is written by hand so that it reads well; it must not forget
// a flag.
func TestUsageKnowsEveryFlag(t *testing.T) {
	b, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, part := range strings.Split(string(b), "Var(&")[1:] {
		name := strings.Split(part, `"`)[1]
		n++
		if !strings.Contains(usage, "--"+name) {
			t.Errorf("--%s is not in the usage text", name)
		}
	}
	if n < 15 {
		t.Errorf("found only %d flags in the source", n)
	}
}

func TestWarnsOfABandThatCannotBeShown(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte("cpu 1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--min 49.8 --max 50.2": "a band of 0.4 points is narrower than the 1 points that the counters of 2 CPUs can show in one second",
		"--min 49 --max 51":     "",
	} {
		c, err := parse(append(strings.Fields(args), "--proc", dir))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.warnings(), "\n"); got != want {
			t.Errorf("%s: warning %q, want %q", args, got, want)
		}
	}
}
