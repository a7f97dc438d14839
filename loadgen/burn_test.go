package loadgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// eventually polls until ok, for machines that are busy with other things.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// workerThreads returns the scheduling policies of this process's threads that
// are not normal ones.
func idleThreads(t *testing.T) int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	n := 0
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// After the name, which may contain blanks, policy is the 39th field.
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 38 && f[38] == "5" {
			n++
		}
	}
	return n
}

func TestPoolHasTheThreadsAskedFor(t *testing.T) {
	p := newPool(newPlacement(Nice{Idle: true}, nil))
	defer p.close(10 * time.Second)
	for _, n := range []int{3, 5, 1, 0, 2} {
		p.set(n, 0.05)
		eventually(t, "threads of the kernel", func() bool { return idleThreads(t) == n })
	}
	p.close(10 * time.Second)
	eventually(t, "all threads to end", func() bool { return idleThreads(t) == 0 })
}

func TestWorkersUseTheCPUAndStop(t *testing.T) {
	p := newPool(newPlacement(Nice{Level: 5}, nil))
	p.set(1, 0.3)
	start := processCPU()
	eventually(t, "100 ms of CPU time", func() bool {
		p.set(1, 0.3) // as the control loop does
		return processCPU()-start > 100*time.Millisecond
	})
	p.close(10 * time.Second)
	// What still runs is this test, which only polls.
	before, at := processCPU(), time.Now()
	time.Sleep(100 * time.Millisecond)
	if used, wall := processCPU()-before, time.Since(at); used > wall/4 {
		t.Errorf("%v of CPU time in %v after the end", used, wall)
	}
}

func TestWorkersStopWhenNobodyIsInControl(t *testing.T) {
	p := newPool(newPlacement(Nice{Idle: true}, nil))
	defer p.close(10 * time.Second)
	p.set(1, 1)
	p.given.Store(int64(p.now() - 2*orphaned))
	if got := p.share(p.now()); got != 0 {
		t.Errorf("a share of %v is burned by a command from %v ago", got, 2*orphaned)
	}
}

func TestBurnKeepsAnAccountOfWhatItGot(t *testing.T) {
	p := newPool(placement{})
	w := &worker{}
	p.set(0, 0.5)

	// The end of the period is past: nothing can be burned, all is owed.
	w.burn(p, p.now())
	if w.credit <= 0 || w.credit > period {
		t.Errorf("credit %v after a period without CPU", w.credit)
	}
	owed := w.credit
	w.burn(p, p.now())
	if w.credit < owed || w.credit > period {
		t.Errorf("credit %v after two", w.credit)
	}
	// With time enough, all of it is burned.
	start := threadCPU()
	due := w.credit + period/2
	p.given.Store(int64(p.now() + time.Hour)) // must not expire on a busy machine
	w.burn(p, p.now()+time.Hour)
	if got := threadCPU() - start; got < due || w.credit > 0 {
		t.Errorf("burned %v of %v, credit %v", got, due, w.credit)
	}
	// Nothing is owed for a time in which nothing was asked for.
	p.set(0, 0)
	w.credit = period
	w.burn(p, p.now()+time.Hour)
	if w.credit != 0 {
		t.Errorf("credit %v at a duty of 0", w.credit)
	}
}

func TestBurnDoesNotAllocate(t *testing.T) {
	p := newPool(placement{})
	w := &worker{}
	p.set(0, 0.01)
	p.given.Store(int64(p.now() + time.Hour))
	if allocs := testing.AllocsPerRun(20, func() { w.burn(p, p.now()+period) }); allocs != 0 {
		t.Errorf("a period allocates %v times", allocs)
	}
}

func TestVanDerCorputSpreadsEveryBeginning(t *testing.T) {
	for n := 1; n <= 256; n++ {
		cells := make([]bool, 2*n)
		for i := range n {
			c := int(vanDerCorput(i) * float64(2*n))
			if cells[c] {
				t.Fatalf("two of the first %d in one of %d cells", n, 2*n)
			}
			cells[c] = true
		}
	}
}

func TestPlacementRefusesCPUsThatAreNotOurs(t *testing.T) {
	if err := newPlacement(Nice{}, []int{1000}).try(); err == nil || !strings.Contains(err.Error(), "CPU 1000") {
		t.Errorf("error %v", err)
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for c := range 1024 {
		if set.IsSet(c) {
			if err := newPlacement(Nice{}, []int{c}).try(); err != nil {
				t.Error(err)
			}
			break
		}
	}
}

func TestRunRefusesWhatItCannotDo(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Proc: proc.New("/nonexistent")}, "/nonexistent/stat"},
		{Options{CPUs: []int{1000}}, "CPU 1000"},
		{Options{Scope: "galaxy"}, `scope "galaxy"`},
		{Options{Proc: proc.New("/nonexistent"), Scope: ScopeCgroup}, "/nonexistent/self/cgroup"},
	} {
		tt.o.Program = Hold(wide)
		if _, err := Run(t.Context(), tt.o, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %s", tt.o, err, tt.want)
		}
	}
}
