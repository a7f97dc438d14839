package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

// variants prints, as medians over the days, what the daemon as installed does
// with one key of its configuration changed.
func variants(w io.Writer, args []string) error {
	var s settings
	flags := flag.NewFlagSet("vbsim variants", flag.ContinueOnError)
	flags.StringVar(&s.traces, "traces", "", "folder with planetlab-*.csv.gz; without it, made-up traces are used")
	flags.StringVar(&s.days, "days", "*", "which days of the traces, as a pattern")
	flags.IntVar(&s.synthetic, "synthetic", 1000, "how many made-up traces")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of the made-up traces")
	noise := flags.Float64("noise", 0, "standard deviation of each VM's demand about its trace, as a share of it")
	only := flags.String("only", "", "run only the variants whose names begin like this")
	if err := flags.Parse(args); err != nil {
		return err
	}
	days, err := s.load()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "medians of %d days, noise %g\n%s", len(days), *noise, header)
	for _, v := range variantsOfDaemon() {
		if !strings.HasPrefix(v.name, *only) {
			continue
		}
		var all []sim.Figures
		for _, d := range days {
			world := sim.NewFleet(d.traces)
			world.Noise = *noise
			all = append(all, world.Run(sim.NewDaemons(world, v.options)))
		}
		printFigures(w, v.name, medians(all))
	}
	return nil
}

type variant struct {
	name    string
	options sim.Options
}

func variantsOfDaemon() []variant {
	var all []variant
	add := func(name string, change func(*sim.Options)) {
		o := sim.DaemonOptions()
		change(&o)
		all = append(all, variant{name, o})
	}
	add("as installed", func(*sim.Options) {})
	for _, h := range []time.Duration{0, 20, 40, 60, 80, 120} {
		add(fmt.Sprintf("horizon %d s", h), func(o *sim.Options) { o.Horizon = h * time.Second })
	}
	for _, d := range policy.Detectors()[1:] {
		add("detector "+d.String(), func(o *sim.Options) { o.Policy.Detector = d })
	}
	for _, p := range []policy.Preset{policy.ConservativePreset, policy.AggressivePreset} {
		add("preset "+p.String(), func(o *sim.Options) { o.Policy = o.Policy.With(p) })
	}
	for _, hours := range []time.Duration{0, 6} {
		add(fmt.Sprintf("return window %d h", hours), func(o *sim.Options) { o.Policy.ReturnWindow = hours * time.Hour })
	}
	add("swaps none", func(o *sim.Options) { o.Policy.Swaps = false })
	add("swaps none, return window 0 h", func(o *sim.Options) { o.Policy.Swaps, o.Policy.ReturnWindow = false, 0 })
	return all
}
