// Command vbsim runs the experiments that docs/benchmarks.md reports.
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
}

func main() {
	var s settings
	flag.IntVar(&s.experiment, "experiment", 1, "1 balancing, 2 consolidation, 3 planning")
	flag.StringVar(&s.traces, "traces", "", "folder with planetlab-*.csv.gz; without it, made-up traces are used")
	flag.StringVar(&s.fleets, "fleets", "", "folder with KIND-N.nodes.csv and KIND-N.vms.csv")
	flag.StringVar(&s.days, "days", "*", "which days of the traces, as a pattern")
	flag.IntVar(&s.synthetic, "synthetic", 1000, "how many made-up traces")
	flag.Uint64Var(&s.seed, "seed", 1, "seed of the made-up traces")
	flag.Parse()
	if err := run(os.Stdout, s); err != nil {
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
