package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

const tracesHelp = `With --traces: plays the load of a day to a fleet of simulated daemons. Each host
samples, gossips and decides for itself as virtbalanced does, on news that are
10 s old, and the target admits; a migration takes its memory / 62.5 MB/s,
meanwhile costs a tenth of the domain's load at both ends, and loses a tenth at
the source. The same command gives the same figures, to the digit.

The file, gzipped if it ends in .gz, has a line a VM: its name, and its CPU use in
percent each 5 minutes. made-up, or made-up:N for N VMs (1000), makes a day up.

The fleet is that of experiment 1 in docs/benchmarks.md: hosts of two sizes, as
many as have a mean load of 60 %, or as many as --hosts says; with --fleet, the
hosts and domains of that file, which get the traces in turn. Daemons are as
installed, save what --config, --strategy, --period and --set change; the day
begins at midnight of a Tuesday for schedule.*.

The figures are, lower being better: ot80, ot100, share of the hosts' time above
80 % and 100 % of load; unserved, migloss, share of all demand beyond the hosts'
capacity, and lost by migrating VMs; sd, the mean deviation of load between the
hosts; migrations, gib, migrations and memory moved per VM and day; and the score
s = 100 ot80 + 1000 (unserved + migloss) + 0.5 gib. Beside them are those of the
same day with nothing moved. --format html writes one page with pictures.`

// traceOptions are the flags of simulate that go with --traces.
type traceOptions struct {
	file      string
	hosts     int
	period    time.Duration
	semantics string
	seed      uint32
}

// What may happen to a VM that idles. compat is for comparison with CloudSim.
const (
	keepVMs = "keepvms"
	compat  = "compat"
)

func (o *traceOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.file, "traces", "", "play this `file` of traces, .csv or .csv.gz; or made-up:N")
	flags.IntVar(&o.hosts, "hosts", 0, "with --traces: so many hosts (default: a mean load of 60 %)")
	flags.DurationVar(&o.period, "period", 0, "with --traces: the time between two decisions of a host (default: sampling.interval, 20s)")
	flags.StringVar(&o.semantics, "semantics", keepVMs, "with --traces: keepvms, or compat: VMs that idle vanish for good, as in CloudSim")
	flags.Uint32Var(&o.seed, "seed", 0, "with --traces: another seed makes up other traces and draws other targets")
	_ = cmd.RegisterFlagCompletionFunc("semantics", cobra.FixedCompletions([]string{keepVMs, compat}, cobra.ShellCompDirectiveNoFileComp))
}

// together checks that the flags which were given go together.
func (o simulateOptions) together(cmd *cobra.Command, format string) error {
	given := cmd.Flags().Changed
	alone, why := []string{"hosts", "period", "semantics", "seed"}, "--%s goes with --traces"
	if given("traces") {
		alone, why = []string{"add", "without", "max-moves"}, "--%s goes without --traces: it is about a fleet at rest"
	}
	for _, name := range alone {
		if given(name) {
			return fmt.Errorf(why, name)
		}
	}
	if !given("traces") {
		if format == pageFormat {
			return errors.New("--format html goes with --traces")
		}
		return nil
	}
	t := o.traces
	switch {
	case t.file == "":
		return errors.New("--traces needs a file, or made-up:N")
	case given("hosts") && o.fleet != "":
		return errors.New("--hosts and --fleet do not go together: the file has the hosts")
	case given("hosts") && (t.hosts < 2 || t.hosts > 100_000):
		return fmt.Errorf("--hosts %d is not within 2..100000", t.hosts)
	case t.semantics != keepVMs && t.semantics != compat:
		return fmt.Errorf("--semantics %q is not keepvms or compat", t.semantics)
	case given("period") && (t.period < sim.Step || t.period > time.Hour || t.period%sim.Step != 0):
		return fmt.Errorf("--period %s is not a multiple of %s up to 1h", t.period, sim.Step)
	}
	for _, set := range o.set {
		if given("strategy") && strings.HasPrefix(set, "policy.strategy=") {
			return fmt.Errorf("--strategy %s and --set %s do not go together", o.strategy, set)
		}
	}
	return nil
}

// traceRun is what simulate shows of a day.
type traceRun struct {
	// Figures of the fleet as balanced; Baseline of the same with nothing moved.
	sim.Figures
	Baseline  sim.Figures `json:"baseline"`
	Traces    string      `json:"traces"`
	Hours     float64     `json:"hours"`
	Hosts     int         `json:"hosts"`
	VMs       int         `json:"vms"`
	Strategy  string      `json:"strategy"`
	Period    float64     `json:"period_seconds"`
	Semantics string      `json:"semantics"`
	Seed      uint32      `json:"seed"`
	// Set is what --set changed.
	Set []string `json:"set"`
}

// simulateTraces plays the day twice at once, with the daemons and without.
func simulateTraces(cmd *cobra.Command, s *settings, o simulateOptions) error {
	options, err := o.daemons(cmd.Flags().Changed("strategy"))
	if err != nil {
		return err
	}
	traces, err := o.traces.load()
	if err != nil {
		return err
	}
	run := traceRun{
		Traces: o.traces.name(), Hours: (time.Duration(len(traces[0].Use)) * sim.SampleInterval).Hours(),
		Strategy: options.Policy.Strategy.String(), Period: options.Period.Seconds(),
		Semantics: o.traces.semantics, Seed: o.traces.seed, Set: append([]string{}, o.set...),
	}
	world, err := o.world(traces)
	if err != nil {
		return err
	}
	still, err := o.world(traces)
	if err != nil {
		return err
	}
	run.Hosts, run.VMs = len(world.Capacity), len(world.VMs)
	var balanced, static sim.Controller = sim.NewDaemons(world, options), nil
	var with, without *sim.Recorder
	if s.format == pageFormat {
		every := recordEvery(len(traces[0].Use))
		with = &sim.Recorder{Controller: balanced, Every: every}
		without = &sim.Recorder{Every: every}
		balanced, static = with, without
	}
	err = interruptible(cmd.Context(),
		func() { run.Figures = world.Run(balanced) },
		func() { run.Baseline = still.Run(static) })
	if err != nil {
		return err
	}
	if s.format == pageFormat {
		return writePage(cmd.OutOrStdout(), page{run: run, command: commandLine(cmd), marks: options.Policy.Marks, world: world, with: with, without: without})
	}
	return show(cmd, s, run, printTraceRun)
}

// interruptible runs all at once, and until they are done or ctx is. What is left
// then ends with the process: a run has nothing to clean up.
func interruptible(ctx context.Context, all ...func()) error {
	done := make(chan struct{}, len(all))
	for _, f := range all {
		go func() { f(); done <- struct{}{} }()
	}
	for range all {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("simulate: %w", ctx.Err())
		}
	}
	return nil
}

// daemons are the options of the simulated ones.
func (o simulateOptions) daemons(strategy bool) (sim.Options, error) {
	d := sim.DaemonOptions()
	// A day of traces has no time zone: its first midnight is that of schedule.*.
	set := append([]string{"schedule.timezone=UTC"}, o.set...)
	if strategy {
		if _, err := policy.ParseStrategy(o.strategy); err != nil {
			return d, usageError{fmt.Errorf("--%w", err)}
		}
		set = append(set, "policy.strategy="+o.strategy)
	}
	c, err := replayConfig(o.config, set)
	if err != nil {
		return d, err
	}
	if d.Windows, err = c.Schedule.Compile(); err != nil {
		return d, err
	}
	bandwidth := d.Policy.Bandwidth // of the model
	d.Mode, d.Policy, d.Seed = c.Mode, c.Policy, o.traces.seed
	d.Policy.Bandwidth = bandwidth
	d.TimeConstant, d.Horizon, d.SampleEvery, d.Period = c.Sampling.TimeConstant, c.Horizon(), c.Sampling.Interval, c.Sampling.Interval
	if o.traces.period > 0 {
		d.Period = o.traces.period
		d.SampleEvery = min(d.SampleEvery, d.Period)
	}
	if d.SampleEvery%sim.Step != 0 {
		return d, fmt.Errorf("%s: sampling.interval (%s) must be a multiple of %s to be simulated", o.config, d.SampleEvery, sim.Step)
	}
	return d, nil
}

// world is the fleet before the day begins.
func (o simulateOptions) world(traces []sim.Trace) (*sim.World, error) {
	var w *sim.World
	switch {
	case o.fleet != "":
		s, err := readFleet(o.fleet)
		if err != nil {
			return nil, err
		}
		if w, err = sim.NewFleetFrom(s, traces); err != nil {
			return nil, fmt.Errorf("--fleet %s: %w", o.fleet, err)
		}
	case o.traces.hosts > 0:
		w = sim.NewFleetOf(traces, o.traces.hosts)
	default:
		w = sim.NewFleet(traces)
	}
	w.Delete = o.traces.semantics == compat
	return w, nil
}

// load reads the traces or makes them up.
func (o traceOptions) load() ([]sim.Trace, error) {
	count, madeUp := o.madeUp()
	if !madeUp {
		traces, err := sim.LoadTraces(o.file)
		if err != nil {
			return nil, fmt.Errorf("--traces: %w", err)
		}
		return traces, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 1_000_000 {
		return nil, usageError{fmt.Errorf("--traces %s: %q is not a number of VMs within 1..1000000", o.file, count)}
	}
	return sim.Synthetic(n, uint64(o.seed)), nil
}

// madeUp is how many made-up traces are asked for, if they are.
func (o traceOptions) madeUp() (count string, ok bool) {
	if o.file == "made-up" {
		return "1000", true
	}
	return strings.CutPrefix(o.file, "made-up:")
}

// name is of the day, for people.
func (o traceOptions) name() string {
	if _, ok := o.madeUp(); ok {
		return "made-up"
	}
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(o.file), ".gz"), ".csv")
}

func printTraceRun(w io.Writer, r traceRun) {
	fmt.Fprintf(w, "%s: %d VMs on %d hosts for %.3g h, strategy %s, decisions every %g s, %s, seed %d\n\n",
		r.Traces, r.VMs, r.Hosts, r.Hours, r.Strategy, r.Period, r.Semantics, r.Seed)
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "\tOT80\tOT100\tUNSERVED\tMIGLOSS\tSD\tMIGRATIONS\tGIB\tS")
		for _, row := range []struct {
			name string
			f    sim.Figures
		}{{"nothing moved", r.Baseline}, {"balanced", r.Figures}} {
			f := row.f
			fmt.Fprintf(w, "%s\t%.4f\t%.5f\t%.6f\t%.6f\t%.3f\t%.2f\t%.2f\t%.2f\n",
				row.name, f.OT80, f.OT100, f.Unserved, f.MigrationLoss, f.SD, f.Migrations, f.GiB, f.S)
		}
	})
}
