package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy/sim"
)

// contestant is one way to balance a fleet.
type contestant struct {
	name string
	run  func(*sim.World) sim.Figures
}

func contestants() []contestant {
	threshold := func(period time.Duration, largest bool) func(*sim.World) sim.Figures {
		return func(w *sim.World) sim.Figures {
			return w.Run(sim.Threshold{High: 0.8, Period: period, Largest: largest})
		}
	}
	daemons := func(o sim.Options) func(*sim.World) sim.Figures {
		return func(w *sim.World) sim.Figures { return w.Run(sim.NewDaemons(w, o)) }
	}
	return []contestant{
		{"static round-robin", func(w *sim.World) sim.Figures { return w.Run(nil) }},
		{"static LPT, day means known", func(w *sim.World) sim.Figures { w.PlaceByMean(); return w.Run(nil) }},
		{"threshold largest, 300 s", threshold(300*time.Second, true)},
		{"threshold MMT, 300 s", threshold(300*time.Second, false)},
		{"virtbalance, 300 s", daemons(sim.BenchmarkOptions(300 * time.Second))},
		{"threshold MMT, 60 s", threshold(60*time.Second, false)},
		{"virtbalance, 60 s", daemons(sim.BenchmarkOptions(60 * time.Second))},
		{"virtbalance as installed", daemons(sim.DaemonOptions())},
	}
}

// traceDay is one set of traces.
type traceDay struct {
	name   string
	traces []sim.Trace
}

func (s settings) load() ([]traceDay, error) {
	if s.traces == "" {
		return []traceDay{{fmt.Sprintf("synthetic-%d", s.seed), sim.Synthetic(s.synthetic, s.seed)}}, nil
	}
	paths, err := s.files()
	if err != nil {
		return nil, err
	}
	var days []traceDay
	for _, path := range paths {
		traces, err := sim.LoadTraces(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(path), ".csv.gz")
		days = append(days, traceDay{strings.TrimPrefix(name, "planetlab-"), traces})
	}
	return days, nil
}

// balancing prints a table a day, and the medians over the days.
func balancing(w io.Writer, s settings) error {
	days, err := s.load()
	if err != nil {
		return err
	}
	figures := map[string][]sim.Figures{}
	for _, d := range days {
		fmt.Fprintf(w, "\n%s: %d VMs on %d hosts\n%s", d.name, len(d.traces), len(sim.NewFleet(d.traces).Capacity), header)
		for _, c := range contestants() {
			f := c.run(sim.NewFleet(d.traces))
			figures[c.name] = append(figures[c.name], f)
			printFigures(w, c.name, f)
		}
	}
	if len(days) > 1 {
		fmt.Fprintf(w, "\nmedians of %d days\n%s", len(days), header)
		for _, c := range contestants() {
			printFigures(w, c.name, medians(figures[c.name]))
		}
	}
	return nil
}

const header = "| policy | OT80 | OT100 | UNS | ML | SD | MIG | GiB | S |\n|---|---|---|---|---|---|---|---|---|\n"

func printFigures(w io.Writer, name string, f sim.Figures) {
	fmt.Fprintf(w, "| %s | %.4f | %.5f | %.6f | %.6f | %.3f | %.2f | %.2f | %.2f |\n",
		name, f.OT80, f.OT100, f.Unserved, f.MigrationLoss, f.SD, f.Migrations, f.GiB, f.S)
}

// medians are taken figure by figure.
func medians(all []sim.Figures) sim.Figures {
	median := func(of func(sim.Figures) float64) float64 {
		values := make([]float64, len(all))
		for i, f := range all {
			values[i] = of(f)
		}
		slices.Sort(values)
		middle := len(values) / 2
		if len(values)%2 == 1 {
			return values[middle]
		}
		return (values[middle-1] + values[middle]) / 2
	}
	return sim.Figures{
		OT80:          median(func(f sim.Figures) float64 { return f.OT80 }),
		OT100:         median(func(f sim.Figures) float64 { return f.OT100 }),
		Unserved:      median(func(f sim.Figures) float64 { return f.Unserved }),
		MigrationLoss: median(func(f sim.Figures) float64 { return f.MigrationLoss }),
		SD:            median(func(f sim.Figures) float64 { return f.SD }),
		Migrations:    median(func(f sim.Figures) float64 { return f.Migrations }),
		GiB:           median(func(f sim.Figures) float64 { return f.GiB }),
		S:             median(func(f sim.Figures) float64 { return f.S }),
	}
}
