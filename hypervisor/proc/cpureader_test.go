package proc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// statOf makes a stat file of n CPUs whose counters are all v.
func statOf(n int, v uint64) string {
	var b strings.Builder
	line := strings.Repeat(fmt.Sprintf(" %d", v), 10) + "\n"
	b.WriteString("cpu " + line)
	for i := range n {
		fmt.Fprintf(&b, "cpu%d%s", i, line)
	}
	b.WriteString("intr 1 2 3\nctxt 4\nbtime 5\n")
	return b.String()
}

func TestCPUReaderFollowsTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "stat", statOf(2, 100))
	r, err := proc.New(dir).OpenCPU()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// 600 CPUs do not fit what a reader for two reads at once.
	for _, step := range []struct {
		cpus int
		v    uint64
	}{{2, 100}, {2, 150}, {600, 1 << 50}, {1, 7}} {
		write(t, dir, "stat", statOf(step.cpus, step.v))
		c, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if c.Online != step.cpus || c.User != proc.Ticks(step.v) || c.Steal != proc.Ticks(step.v) {
			t.Errorf("%d CPUs at %d: read %+v", step.cpus, step.v, c)
		}
	}

	write(t, dir, "stat", "")
	if c, err := r.Read(); err == nil {
		t.Errorf("an empty file reads as %+v", c)
	}
	write(t, dir, "stat", "cpu garbage\n")
	if c, err := r.Read(); err == nil || !strings.Contains(err.Error(), "stat:1: ") {
		t.Errorf("a garbled file reads as %+v, error %v", c, err)
	}
}

func TestCPUReaderDoesNotAllocate(t *testing.T) {
	r, err := proc.New("").OpenCPU()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := r.Read(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a reading allocates %v times", allocs)
	}
}

func BenchmarkCPUReader(b *testing.B) {
	r, err := proc.New("").OpenCPU()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for b.Loop() {
		if _, err := r.Read(); err != nil {
			b.Fatal(err)
		}
	}
}
