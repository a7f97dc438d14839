package loadgen

import (
	"context"
	"runtime"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// Options say what to hold and how.
type Options struct {
	Program  Program
	Aim      Aim
	Duration time.Duration // 0: until the context or the program ends

	Proc     proc.FS
	Scope    Scope // empty: ScopeHost
	Counting Counting

	ThreadsMax int   // 0: one for each CPU
	CPUs       []int // where workers may run; nil: anywhere
	Nice       Nice
	// LowerSession gives the whole session least weight (see lowerSession).
	LowerSession bool

	// ReportEvery is the distance of Reports; 0: one second.
	ReportEvery time.Duration
}

// Report is what happened since the report before.
type Report struct {
	At   time.Duration // since the start
	Band Band          // now

	// Means since the last report, as shares of the host.
	// CPU is busy time over total time of the counters; Own is exact, and
	// Background is the rest.
	CPU, Own, Background, Steal float64

	Threads int
	Duty    float64 // share of time each thread burns
	InBand  bool    // CPU lies in Band

	Obstacle Obstacle
	Err      error // of the last reading of the counters, if it failed

	Summary Summary // so far

	// Dropped counts the reports that nobody took in time, since the start.
	Dropped int
}

// closeGrace is how long Run waits for threads that do not get the CPU.
const closeGrace = 50 * time.Millisecond

// Run holds the band until the context or the program ends. The calling
// goroutine becomes the control thread. Reports are handed over without
// waiting: one that is not taken is dropped, because the control thread must
// not wait for a terminal.
//
// Run sets GOMAXPROCS, for workers must not keep the control thread off the Go
// scheduler, and puts it back when it returns.
func Run(ctx context.Context, o Options, reports chan<- Report) (Summary, error) {
	if o.ReportEvery <= 0 {
		o.ReportEvery = time.Second
	}
	r, err := newRunner(o)
	if err != nil {
		return Summary{}, err
	}
	defer r.sensor.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(r.threadsMax + 4))
	defer lowerSession(o.LowerSession)()
	defer r.pool.close(closeGrace)
	r.reports = reports
	r.loop(ctx)
	return r.judge.summary(), nil
}
