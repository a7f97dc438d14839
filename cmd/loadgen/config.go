package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/loadgen"
)

const usage = `loadgen holds the CPU utilisation of this host within a band.

Usage:
  loadgen --min 40 --max 70 [flags]
  loadgen --scenario FILE [flags]

What to hold:
  --min PERCENT            lower edge of the band
  --max PERCENT            upper edge of the band
  --aim mid|low            steer to the middle, or as low as the band allows (mid)
  --scenario FILE          a band that changes with time (TOML, see docs/loadgen.md)
  --duration TIME          stop after this time, as in 90s or 10m
  --scope host|cgroup      the host, or the CPU limit of this control group (host)
  --count-steal            count stolen time as busy, as sar's 100 - %idle does
  --count-iowait           likewise for iowait

How:
  --threads-max N          at most N threads (one for each CPU)
  --cpus LIST              threads only on these CPUs, as in 0-3,8
  --nice idle|0..19        weight of the threads; idle is SCHED_IDLE (idle)
  --lower-session          also lower the autogroup of this session while running;
                           without it only when loadgen leads the session
  --proc PATH              where the proc file system is (/proc)

What to show:
  --report TIME            distance of reports (1s)
  --format text|json       (text)
  --plain                  no live display, on a terminal either
  --metrics-listen ADDR    serve Prometheus metrics, as in 127.0.0.1:9177
  --strict                 exit 1 if the band is out of reach, never settled into,
                           or held for less than 95 % of the time since
  --version
  --help

Exit codes: 0 done or interrupted, 1 missed (--strict), 2 bad input.
`

// config is what the command line says.
type config struct {
	options loadgen.Options

	format        string
	plain         bool
	strict        bool
	metricsListen string
	version       bool
}

func parse(args []string) (config, error) {
	var (
		c                        config
		minText, maxText         string
		aim, scope, nice, cpus   string
		scenario, procRoot, when string
	)
	f := pflag.NewFlagSet("loadgen", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.SortFlags = false
	f.StringVar(&minText, "min", "", "")
	f.StringVar(&maxText, "max", "", "")
	f.StringVar(&aim, "aim", "mid", "")
	f.StringVar(&scenario, "scenario", "", "")
	f.DurationVar(&c.options.Duration, "duration", 0, "")
	f.StringVar(&scope, "scope", string(loadgen.ScopeHost), "")
	f.BoolVar(&c.options.Counting.Steal, "count-steal", false, "")
	f.BoolVar(&c.options.Counting.IOWait, "count-iowait", false, "")
	f.IntVar(&c.options.ThreadsMax, "threads-max", 0, "")
	f.StringVar(&cpus, "cpus", "", "")
	f.StringVar(&nice, "nice", "idle", "")
	f.BoolVar(&c.options.LowerSession, "lower-session", false, "")
	f.StringVar(&procRoot, "proc", proc.DefaultRoot, "")
	f.StringVar(&when, "report", "1s", "")
	f.StringVar(&c.format, "format", "text", "")
	f.BoolVar(&c.plain, "plain", false, "")
	f.StringVar(&c.metricsListen, "metrics-listen", "", "")
	f.BoolVar(&c.strict, "strict", false, "")
	f.BoolVar(&c.version, "version", false, "")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return config{}, err
		}
		return config{}, fmt.Errorf("%w (see loadgen --help)", err)
	}
	if c.version {
		return c, nil
	}

	var errs []error
	fault := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if f.NArg() > 0 {
		fault("unexpected argument %q (see loadgen --help)", f.Arg(0))
	}

	program, err := parseProgram(minText, maxText, f.Changed("min"), f.Changed("max"), scenario)
	if err != nil {
		errs = append(errs, err)
	}
	c.options.Program = program

	switch aim {
	case "mid":
		c.options.Aim = loadgen.AimMid
	case "low":
		c.options.Aim = loadgen.AimLow
	default:
		fault("--aim %q is neither mid nor low", aim)
	}
	switch c.options.Scope = loadgen.Scope(scope); c.options.Scope {
	case loadgen.ScopeHost, loadgen.ScopeCgroup:
	default:
		fault("--scope %q is neither host nor cgroup", scope)
	}
	if c.format != "text" && c.format != "json" {
		fault("--format %q is neither text nor json", c.format)
	}
	if f.Changed("duration") && c.options.Duration <= 0 {
		fault("--duration %v must be more than 0", c.options.Duration)
	}
	if f.Changed("threads-max") && c.options.ThreadsMax < 1 {
		fault("--threads-max %d must be at least 1", c.options.ThreadsMax)
	}
	const reportMin = 100 * time.Millisecond
	if d, err := time.ParseDuration(when); err != nil {
		fault("--report %q is not a time such as 1s or 500ms", when)
	} else if d < reportMin {
		fault("--report %v must be at least %v", d, reportMin)
	} else {
		c.options.ReportEvery = d
	}
	if c.options.Nice, err = parseNice(nice); err != nil {
		errs = append(errs, err)
	}
	if f.Changed("cpus") {
		if c.options.CPUs, err = parseCPUs(cpus); err != nil {
			errs = append(errs, err)
		}
	}
	if c.options.Scope == loadgen.ScopeCgroup && (c.options.Counting.Steal || c.options.Counting.IOWait) {
		fault("--count-steal and --count-iowait need --scope host: a control group has neither")
	}
	c.options.Proc = proc.New(procRoot)
	return c, errors.Join(errs...)
}

func parseProgram(minText, maxText string, minSet, maxSet bool, scenario string) (loadgen.Program, error) {
	switch {
	case scenario != "" && (minSet || maxSet):
		return loadgen.Program{}, errors.New("--scenario has its own bands: leave out --min and --max")
	case scenario != "":
		return loadScenario(scenario)
	case !minSet && !maxSet:
		return loadgen.Program{}, errors.New("--min and --max are missing, as in loadgen --min 40 --max 70")
	case !minSet:
		return loadgen.Program{}, errors.New("--min is missing: --max needs it")
	case !maxSet:
		return loadgen.Program{}, errors.New("--max is missing: --min needs it")
	}
	lo, errMin := parsePercent("--min", minText)
	hi, errMax := parsePercent("--max", maxText)
	if err := errors.Join(errMin, errMax); err != nil {
		return loadgen.Program{}, err
	}
	if lo >= hi {
		return loadgen.Program{}, fmt.Errorf("--min %s must be below --max %s", minText, maxText)
	}
	return loadgen.Hold(loadgen.Band{Min: lo, Max: hi}), nil
}

// parsePercent reads "40" or "40%" as 0.4.
func parsePercent(flag, text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not a number of percent", flag, text)
	}
	if !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%s %s must be in 0..100", flag, text)
	}
	return v / 100, nil
}

func parseNice(text string) (loadgen.Nice, error) {
	if text == "idle" {
		return loadgen.Nice{Idle: true}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 19 {
		return loadgen.Nice{}, fmt.Errorf("--nice %q is neither idle nor a level 0..19", text)
	}
	return loadgen.Nice{Level: n}, nil
}

// parseCPUs reads a list as taskset and the kernel write it: "0-3,8".
func parseCPUs(text string) ([]int, error) {
	const cpuMax = 1023 // of the kernel interface's plain mask
	var list []int
	seen := map[int]bool{}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA != nil || errB != nil || a < 0 || b < a || b > cpuMax {
			return nil, fmt.Errorf("--cpus %q: %q is not a CPU or a range such as 0-3", text, part)
		}
		for c := a; c <= b; c++ {
			if !seen[c] {
				seen[c] = true
				list = append(list, c)
			}
		}
	}
	return list, nil
}

// warnings are about input that is valid but will not do what it looks like.
func (c config) warnings() []string {
	cpus := float64(runtime.NumCPU())
	if s, err := c.options.Proc.Stat(); err == nil {
		cpus = float64(s.CPU.Online)
	}
	least := loadgen.Resolution(cpus)
	for _, s := range c.options.Program.Segments {
		for _, b := range []loadgen.Band{s.From, s.To} {
			if b.Max-b.Min < least {
				return []string{fmt.Sprintf("a band of %.2g points is narrower than the %.2g points that the counters of %.0f CPUs can show in one second",
					100*(b.Max-b.Min), 100*least, cpus)}
			}
		}
	}
	return nil
}

// view returns what shows the reports on stdout.
func (c config) view(stdout, stderr io.Writer) view {
	if c.format == "json" {
		return newJSONView(stdout)
	}
	if f, ok := stdout.(*os.File); ok && !c.plain && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		return newLiveView(stdout, func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 80, 24
			}
			return w, h
		}, os.Getenv("NO_COLOR") == "", c.options.ReportEvery)
	}
	return &textView{out: stdout, err: stderr}
}
