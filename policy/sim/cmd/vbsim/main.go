// Command vbsim runs the experiments that docs/benchmarks.md reports:
//
//	vbsim --experiment N    one of the three, on traces or fleets
//	vbsim day --hosts N     a simulated day of a large fleet, and what it cost
//	vbsim variants          the daemon as installed with one key changed at a time
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

type settings struct {
	traces, fleets string
	experiment     int
	days           string
	synthetic      int
	seed           uint64
	hbal           int
}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "day":
			exit(day(os.Stdout, os.Args[2:]))
			return
		case "variants":
			exit(variants(os.Stdout, os.Args[2:]))
			return
		}
	}
	var s settings
	flag.IntVar(&s.experiment, "experiment", 1, "1 balancing, 2 consolidation, 3 planning")
	flag.StringVar(&s.traces, "traces", "", "folder with planetlab-*.csv.gz; without it, made-up traces are used")
	flag.StringVar(&s.fleets, "fleets", "", "folder with KIND-N.nodes.csv and KIND-N.vms.csv")
	flag.IntVar(&s.hbal, "hbal", 0, "plan fleets of up to so many nodes with Ganeti's hbal, too; 40 nodes take it minutes")
	flag.StringVar(&s.days, "days", "*", "which days of the traces, as a pattern")
	flag.IntVar(&s.synthetic, "synthetic", 1000, "how many made-up traces")
	flag.Uint64Var(&s.seed, "seed", 1, "seed of the made-up traces")
	flag.Parse()
	exit(run(os.Stdout, s))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vbsim:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, s settings) error {
	switch s.experiment {
	case 1:
		return balancing(w, s)
	case 2:
		return consolidation(w, s)
	case 3:
		return planning(w, s)
	default:
		return fmt.Errorf("there is no experiment %d", s.experiment)
	}
}

// files are the traces of the chosen days.
func (s settings) files() ([]string, error) {
	pattern := filepath.Join(s.traces, "planetlab-"+s.days+".csv.gz")
	paths, err := filepath.Glob(pattern)
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no traces match %s", pattern)
	}
	return paths, err
}
