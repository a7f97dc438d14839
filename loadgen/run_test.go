package loadgen

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// A run on this machine: it reports, it ends when told, and nothing is left.
// Whether it holds the band depends on who else is here, so that is left to
// the simulated hosts and the benchmark.
func TestRun(t *testing.T) {
	procs := runtime.GOMAXPROCS(0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reports := make(chan Report, 16)
	done := make(chan Summary)
	go func() {
		s, err := Run(ctx, Options{
			Proc: proc.New(""), Program: Hold(Band{0.1, 0.2}), Nice: Nice{Idle: true}, ReportEvery: 100 * time.Millisecond,
		}, reports)
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	for range 3 {
		r := <-reports
		if !(r.CPU >= 0 && r.CPU <= 1) || !(r.Own >= 0 && r.Own <= 1.5) || r.Band != (Band{0.1, 0.2}) || r.At <= 0 {
			t.Errorf("report %+v", r)
		}
	}
	cancel()
	if s := <-done; s.Elapsed <= 0 {
		t.Errorf("summary %+v", s)
	}
	eventually(t, "all threads to end", func() bool { return idleThreads(t) == 0 })
	if got := runtime.GOMAXPROCS(0); got != procs {
		t.Errorf("GOMAXPROCS is %d, was %d", got, procs)
	}
}

func TestRunEndsByItself(t *testing.T) {
	o := Options{Proc: proc.New(""), Program: Hold(Band{0, 0.01}), Duration: 200 * time.Millisecond}
	if s, err := Run(t.Context(), o, nil); err != nil || s.Elapsed < 200*time.Millisecond {
		t.Errorf("%+v, %v", s, err)
	}
	band := Band{0, 0.01}
	o = Options{Proc: proc.New(""), Program: Program{Segments: []Segment{{For: 200 * time.Millisecond, From: band, To: band}}}}
	if s, err := Run(t.Context(), o, nil); err != nil || s.Elapsed < 200*time.Millisecond {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestRunDoesNotWaitForAReader(t *testing.T) {
	reports := make(chan Report, 1)
	o := Options{
		Proc: proc.New(""), Program: Hold(Band{0, 0.01}), Duration: 500 * time.Millisecond, ReportEvery: 50 * time.Millisecond,
	}
	if _, err := Run(t.Context(), o, reports); err != nil {
		t.Fatal(err)
	}
	if len(reports) != 1 {
		t.Errorf("%d reports in a channel of one", len(reports))
	}
}

func TestRunFollowsAFrozenSensorToZero(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.stat(64, "100 0 0 100")
	// Nothing advances, so nothing is known and nothing may be burned.
	reports := make(chan Report, 64)
	o := Options{Proc: proc.New(f.dir), Program: Hold(wide), Duration: 1200 * time.Millisecond, ReportEvery: 100 * time.Millisecond}
	if _, err := Run(t.Context(), o, reports); err != nil {
		t.Fatal(err)
	}
	close(reports)
	var last Report
	for r := range reports {
		if r.Threads != 0 {
			t.Errorf("%d threads at %v", r.Threads, r.At)
		}
		last = r
	}
	if last.Obstacle.Cause != CauseSensor {
		t.Errorf("obstacle %+v at %v", last.Obstacle, last.At)
	}
}
