package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	// The two parts that this program plays for itself.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "spin":
			for n := 1; n != 0; {
				n += 2
			}
		case "inside":
			err := inside(os.Args[2], strings.Split(os.Args[3], ":"), os.Args[4:])
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
	if err := bench(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// tool is a load generator and how to ask it for a band.
type tool struct {
	name string
	args func(s scene) []string
	all  bool // runs the long and the frozen scene as well
}

// tools returns loadgen and what else is installed.
func tools(loadgen string) []tool {
	out := []tool{{"loadgen", func(s scene) []string {
		return []string{loadgen, "--min", fmt.Sprint(s.min), "--max", fmt.Sprint(s.max)}
	}, true}}
	aim := func(s scene) string { return fmt.Sprint((s.min + s.max) / 2) }
	cpus := fmt.Sprint(runtime.NumCPU())
	for _, other := range []tool{
		{"stress-ng", func(s scene) []string {
			return []string{"stress-ng", "--quiet", "--cpu", cpus, "--cpu-load", aim(s)}
		}, false},
		{"lookbusy", func(s scene) []string {
			return []string{"lookbusy", "--quiet", "--ncpus", cpus, "--cpu-util", aim(s)}
		}, false},
	} {
		if _, err := exec.LookPath(other.name); err == nil {
			out = append(out, other)
		}
	}
	return out
}

func bench(args []string, out, log io.Writer) error {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	loadgen := f.String("loadgen", "loadgen", "the `program` to judge")
	runs := f.Int("runs", 3, "runs of each scene; the table shows the median")
	only := f.String("scenes", "", "only scenes whose name contains one of these words, separated by commas")
	alone := f.Bool("alone", false, "judge no other tools")
	if err := f.Parse(args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root, for control groups and a mount namespace")
	}
	path, err := exec.LookPath(*loadgen)
	if err != nil {
		return err
	}
	candidates := tools(path)
	if *alone {
		candidates = candidates[:1]
	}
	results := map[string]map[string][]float64{} // by figure, by tool
	for _, s := range scenes {
		if !wanted(s.name, *only) {
			continue
		}
		for _, c := range candidates {
			if !c.all && (s.freeze > 0 || s.length > 100) {
				continue
			}
			for i := range *runs {
				t, err := patientRun(s, c, log)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, s.name, err)
				}
				fmt.Fprintf(log, "%s, %s, run %d:", c.name, s.name, i+1)
				for _, f := range figures {
					if f.scene != s.name || f.ours && !c.all {
						continue
					}
					v := f.of(t)
					key := f.scene + f.name
					if results[key] == nil {
						results[key] = map[string][]float64{}
					}
					results[key][c.name] = append(results[key][c.name], v)
					fmt.Fprintf(log, " %s %s %s;", f.name, show(v), f.unit)
				}
				fmt.Fprintf(log, " gap %.2f s, load %s\n", t.gap, load())
			}
		}
	}
	table(out, candidates, results)
	return nil
}

func wanted(name, only string) bool {
	return only == "" || slices.ContainsFunc(strings.Split(only, ","), func(w string) bool { return strings.Contains(name, w) })
}

// patientRun repeats a run in which the judge itself had to wait.
func patientRun(s scene, c tool, log io.Writer) (trial, error) {
	const (
		gapMax = 0.5 // s
		tries  = 3
	)
	for i := 1; ; i++ {
		t, err := run(s, c.args(s))
		if err != nil || t.gap <= gapMax || i == tries {
			return t, err
		}
		fmt.Fprintf(log, "%s, %s: thrown away, for the judge had to wait %.1f s\n", c.name, s.name, t.gap)
		time.Sleep(time.Second)
	}
}

// table prints what was measured, in Markdown.
func table(out io.Writer, tools []tool, results map[string]map[string][]float64) {
	fmt.Fprintf(out, "| scene | figure | reach |")
	for _, c := range tools {
		fmt.Fprintf(out, " %s |", c.name)
	}
	fmt.Fprintf(out, "\n|---|---|---|%s\n", strings.Repeat("---|", len(tools)))
	for _, f := range figures {
		r := results[f.scene+f.name]
		if r == nil {
			continue
		}
		name := f.name
		if f.unit != "" {
			name += ", " + f.unit
		}
		fmt.Fprintf(out, "| %s | %s | %s |", f.scene, name, f.reach)
		for _, c := range tools {
			fmt.Fprintf(out, " %s |", f.cell(r[c.name]))
		}
		fmt.Fprintln(out)
	}
}

// load returns the load average of the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
