//go:build lab

package lab_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

// use is what a host used of the CPU over a few seconds, in percent of its
// capacity: by its control group, and by its /proc/stat.
type use struct{ group, stat float64 }

func measure(ctx context.Context, t *testing.T, h *lab.Host) use {
	t.Helper()
	read := func() (time.Duration, time.Time, lab.Ticks) {
		used, err := h.CPUUsage()
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		ticks, err := h.Ticks(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return used, at, ticks
	}
	capacity, err := h.Capacity()
	if err != nil {
		t.Fatal(err)
	}
	used0, at0, ticks0 := read()
	select {
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	}
	used1, at1, ticks1 := read()
	busy, idle := float64(ticks1.Busy-ticks0.Busy), float64(ticks1.Idle-ticks0.Idle)
	return use{
		group: 100 * 100 * (used1 - used0).Seconds() / at1.Sub(at0).Seconds() / float64(capacity),
		stat:  100 * busy / max(busy+idle, 1),
	}
}

// The machine may be busy, so what is asserted is that a window of 3 s comes within
// the tolerance before the time is up.
func waitForUse(t *testing.T, h *lab.Host, want, tolerance float64) {
	t.Helper()
	ctx := within(t, 45*time.Second)
	for {
		u := measure(ctx, t, h)
		t.Logf("want %.0f %% of the capacity: control group %.1f %%, /proc/stat %.1f %%", want, u.group, u.stat)
		if math.Abs(u.group-want) <= tolerance && math.Abs(u.stat-want) <= tolerance {
			return
		}
	}
}

// The ticks of /proc/stat are exactly the CPU time of the host's control group,
// and never go back, whatever happens to the capacity.
func TestProcStatIsExact(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1, Capacity: 150})
	ctx := within(t, time.Minute)
	h := l.Host("h1")
	if _, err := h.StartGuest(ctx, lab.GuestSpec{Name: "vm1", Load: 70}); err != nil {
		t.Fatal(err)
	}
	usage := func() time.Duration {
		t.Helper()
		u, err := h.CPUUsage()
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	const tick = 10 * time.Millisecond
	// A tick is shown when it is over, for each CPU, user and system time; and
	// the first sample is taken some time after the host's first instruction.
	const slack = 30 * tick
	var last lab.Ticks
	for i := range 20 {
		if err := h.SetCapacity([]int{150, 60, 100}[i%3]); err != nil {
			t.Fatal(err)
		}
		before := usage()
		ticks, err := h.Ticks(ctx)
		if err != nil {
			t.Fatal(err)
		}
		after := usage()
		if busy := time.Duration(ticks.Busy) * tick; busy < before-slack || busy > after {
			t.Errorf("/proc/stat has %s of busy time, the control group from %s to %s", busy, before, after)
		}
		if ticks.Busy < last.Busy || ticks.Idle < last.Idle {
			t.Errorf("/proc/stat went back from %+v to %+v", last, ticks)
		}
		last = ticks
	}
	for range 2 {
		out, err := h.Exec(ctx, "sh", "-c", "grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo")
		if err != nil {
			t.Fatal(err)
		}
		if f := strings.Fields(out); len(f) != 4 || f[0] != "1" || f[2] != "1048576" {
			t.Errorf("of a host of 60 %% and 1024 MiB /proc says %q", out)
		}
		if err := h.PowerOff(ctx); err != nil {
			t.Fatal(err)
		}
		if err := h.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
		if err := h.SetCapacity(60); err != nil {
			t.Fatal(err)
		}
		ticks, err := h.Ticks(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if busy := time.Duration(ticks.Busy) * tick; busy > usage() {
			t.Errorf("after a restart /proc/stat has %s of busy time, the control group %s", busy, usage())
		}
	}
}

func TestLoadIsMeasured(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1, Capacity: 80})
	ctx := within(t, 2*time.Minute)
	h := l.Host("h1")
	g, err := h.StartGuest(ctx, lab.GuestSpec{Name: "vm1", Load: 24})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.WaitBooted(ctx); err != nil {
		t.Fatal(err)
	}
	waitForUse(t, h, 30, 10)

	if err := g.SetLoad(ctx, h, 56); err != nil {
		t.Fatal(err)
	}
	w, err := g.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Until(ctx, func(r lab.Record) bool { return r.Last.Load == 56 }); err != nil {
		t.Fatal(err)
	}
	waitForUse(t, h, 70, 10)

	before, err := h.Throttling()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.SetLoad(ctx, h, 100); err != nil {
		t.Fatal(err)
	}
	waitForUse(t, h, 100, 10)
	after, err := h.Throttling()
	if err != nil {
		t.Fatal(err)
	}
	if after.Throttled <= before.Throttled {
		t.Errorf("a guest that wants more than the host's capacity was never throttled: %+v, then %+v", before, after)
	}

	if err := h.SetCapacity(150); err != nil {
		t.Fatal(err)
	}
	if err := g.SetLoad(ctx, h, 3); err != nil {
		t.Fatal(err)
	}
	if err := w.Until(ctx, func(r lab.Record) bool { return r.Last.Load == 3 }); err != nil {
		t.Fatal(err)
	}
	waitForUse(t, h, 2, 10)
}

func TestGuestWithSeveralVCPUs(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2, Capacity: 100})
	ctx := within(t, time.Minute)
	h1, h2 := l.Host("h1"), l.Host("h2")
	g, err := h1.StartGuest(ctx, lab.GuestSpec{Name: "smp", VCPUs: 3, Load: 10, MemoryMiB: 64, FillMiB: 32})
	if err != nil {
		t.Fatal(err)
	}
	w, err := g.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Until(ctx, func(r lab.Record) bool { return r.Last.VCPUs == 3 }); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Migrate(ctx, h1, h2); err != nil {
		t.Fatal(err)
	}
	waitForUse(t, h2, 30, 12) // three times 10 % of a core
	r, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}
