package main

import (
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/virtbalance/virtbalance/policy/sim"
)

// day simulates one day of a large fleet of daemons, as they are installed, and
// prints what came of it and what it cost to simulate.
func day(w io.Writer, args []string) error {
	flags := flag.NewFlagSet("vbsim day", flag.ContinueOnError)
	hosts := flags.Int("hosts", 5000, "how many hosts")
	vms := flags.Int("vms", 20, "how many VMs a host has at the start")
	hours := flags.Int("hours", 24, "how many hours of the day")
	seed := flags.Uint64("seed", 1, "seed of the made-up traces")
	switch err := flags.Parse(args); {
	case err != nil:
		return err
	case *hours < 1 || *hours > 24:
		return fmt.Errorf("--hours (%d) must be within 1..24", *hours)
	case *hosts < 2 || *vms < 1:
		return fmt.Errorf("--hosts (%d) must be at least 2, --vms (%d) at least 1", *hosts, *vms)
	}
	debug.SetGCPercent(400) // small garbage beside a large fleet
	start := time.Now()
	world := sim.NewLargeFleet(*hosts, *vms, *seed)
	made := cpuSeconds()
	for i := range world.VMs {
		const samples = int(time.Hour / sim.SampleInterval)
		world.VMs[i].Trace.Use = world.VMs[i].Trace.Use[:*hours*samples]
	}
	f := world.Run(sim.NewDaemons(world, sim.DaemonOptions()))
	fmt.Fprintf(w, "%d hosts, %d VMs, virtbalance as installed\n%s", *hosts, len(world.VMs), header)
	printFigures(w, fmt.Sprintf("%d hours", *hours), f)
	_, err := fmt.Fprintf(w, "%.0f s of CPU (%.0f s for making the traces up), %.0f s on %d CPUs, at most %.1f GiB\n",
		cpuSeconds(), made, time.Since(start).Seconds(), runtime.GOMAXPROCS(0), peakGiB())
	return err
}

// peakGiB is the most memory that this process has held.
func peakGiB() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Maxrss) / (1 << 20) // Linux counts KiB
}
