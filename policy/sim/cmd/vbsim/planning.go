package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

// planning prints how many moves the planner needs for each fleet of the
// folder.
func planning(w io.Writer, s settings) error {
	paths, err := filepath.Glob(filepath.Join(s.fleets, "*.nodes.csv"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("no fleets match %s", filepath.Join(s.fleets, "*.nodes.csv"))
	}
	fmt.Fprintln(w, "| fleet | CPU s | sd | max | nodes > 80 % | moves to none > 80 % | GiB | moves to sd .05 | .02 | .01 | GiB to .05 | moves | steps | second run |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, path := range paths {
		prefix := strings.TrimSuffix(path, ".nodes.csv")
		snapshot, err := sim.LoadFleet(prefix)
		if err != nil {
			return err
		}
		if err := planOne(w, filepath.Base(prefix), snapshot, s.hbal); err != nil {
			return err
		}
	}
	return nil
}

// planOne prints a line for the planner, and one for hbal if the fleet is not too
// large for it.
func planOne(w io.Writer, name string, s policy.Snapshot, hbalMax int) error {
	config := policy.DefaultConfig()
	config.MaxInbound, config.MaxOutbound = 2, 2
	planner := policy.Planner{Config: config, Spread: true, Deviation: 0.01}
	before := cpuSeconds()
	plan := planner.Plan(s)
	cost := cpuSeconds() - before
	steps := 0
	for _, m := range plan.Moves {
		steps = max(steps, m.Step)
	}
	r := sim.Replay(s, plan.Moves)
	again := planner.Plan(r.Final)
	printPlan(w, name, cost, r, fmt.Sprintf("%d | %d moves", steps, len(again.Moves)))
	if len(s.Hosts) > hbalMax {
		return nil
	}
	moves, cost, err := hbal(s)
	if err != nil {
		return err
	}
	printPlan(w, name+", hbal", cost, sim.Replay(s, moves), " | ")
	return nil
}

func printPlan(w io.Writer, name string, cost float64, r sim.Replayed, rest string) {
	none, gib := r.Until(func(b policy.Balance) bool { return b.Overloaded == 0 })
	sd := func(goal float64) (string, float64) {
		moves, gib := r.Until(func(b policy.Balance) bool { return float64(b.Deviation) <= goal })
		if moves < 0 {
			return "never", gib
		}
		return strconv.Itoa(moves), gib
	}
	to5, gib5 := sd(.05)
	to2, _ := sd(.02)
	to1, _ := sd(.01)
	was, is := r.Balances[0], r.Balances[len(r.Balances)-1]
	fmt.Fprintf(w, "| %s | %.3f | %.3f → %.4f | %.2f → %.2f | %d → %d | %d | %.0f | %s | %s | %s | %.0f | %d | %s |\n",
		name, cost, float64(was.Deviation), float64(is.Deviation), float64(was.Max), float64(is.Max),
		was.Overloaded, is.Overloaded, none, gib, to5, to2, to1, gib5, len(r.Moves), rest)
}

// cpuSeconds is the CPU time of this process so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return math.NaN()
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
