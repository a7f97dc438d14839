package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
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
		planOne(w, filepath.Base(prefix), snapshot)
	}
	return nil
}

func planOne(w io.Writer, name string, s policy.Snapshot) {
	config := policy.DefaultConfig()
	config.MaxInbound, config.MaxOutbound = 2, 2
	planner := policy.Planner{Config: config, Spread: true, Deviation: 0.01}
	before := cpuSeconds()
	plan := planner.Plan(s)
	cost := cpuSeconds() - before

	r := sim.Replay(s, plan.Moves)
	none, gib := r.Until(func(b policy.Balance) bool { return b.Overloaded == 0 })
	sd := func(goal float64) (int, float64) {
		return r.Until(func(b policy.Balance) bool { return float64(b.Deviation) <= goal })
	}
	to5, gib5 := sd(.05)
	to2, _ := sd(.02)
	to1, _ := sd(.01)
	steps := 0
	for _, m := range plan.Moves {
		steps = max(steps, m.Step)
	}
	again := planner.Plan(r.Final)
	fmt.Fprintf(w, "| %s | %.3f | %.3f → %.4f | %.2f → %.2f | %d → %d | %d | %.0f | %d | %d | %d | %.0f | %d | %d | %d moves |\n",
		name, cost, float64(plan.Before.Deviation), float64(plan.After.Deviation), float64(plan.Before.Max), float64(plan.After.Max),
		plan.Before.Overloaded, plan.After.Overloaded, none, gib, to5, to2, to1, gib5, len(plan.Moves), steps, len(again.Moves))
}

// cpuSeconds is the CPU time of this process so far.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return math.NaN()
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
