//go:build lab

package lab_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

// reaches reports whether libvirtd's port on one node answers to another, and
// how long that took.
func reaches(ctx context.Context, from, to *lab.Node) (bool, time.Duration) {
	began := time.Now()
	_, err := from.Exec(ctx, "timeout", "1", "bash", "-c", "echo >/dev/tcp/"+to.Address+"/16509")
	return err == nil, time.Since(began)
}

func wantReach(t *testing.T, from, to *lab.Node, want bool) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for {
		got, _ := reaches(ctx, from, to)
		switch {
		case got == want:
			return
		case got, ctx.Err() != nil: // what is cut off is so at once; the way back takes a moment
			t.Errorf("%s reaches %s: %t, want %t", from.Name, to.Name, got, want)
			return
		}
	}
}

func state(ctx context.Context, t *testing.T, h *lab.Host, guest string) string {
	t.Helper()
	out, err := h.Virsh(ctx, "domstate", guest)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func TestPowerOffAndOn(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	ctx := within(t, time.Minute)
	h1, h2 := l.Host("h1"), l.Host("h2")
	for _, s := range []lab.GuestSpec{
		{Name: "plain", Persistent: true}, {Name: "auto", Persistent: true, Autostart: true}, {Name: "transient"},
	} {
		if _, err := h1.StartGuest(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	p, err := h1.Start("sleeper", "sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(h1.StateDir(), "kept")
	if _, err := h1.Exec(ctx, "sh", "-c", "echo yes >"+kept+"; echo no >/run/lost"); err != nil {
		t.Fatal(err)
	}
	wantReach(t, &h2.Node, &h1.Node, true)

	for range 2 { // the second one finds nothing to do
		if err := h1.PowerOff(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if h1.Running() || p.Wait(ctx) == nil {
		t.Errorf("h1 has power, or a process on it ended well")
	}
	if _, err := h1.Exec(ctx, "true"); err == nil {
		t.Error("a command ran on a host without power")
	}
	wantReach(t, &h2.Node, &h1.Node, false)
	if where := l.Where(ctx, "plain"); len(where) != 0 {
		t.Errorf("a guest of a host without power is known to %+v", where)
	}

	if err := h1.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	out, err := h1.Virsh(ctx, "capabilities")
	if err != nil || !strings.Contains(out, h1.UUID) {
		t.Errorf("host UUID is not %s any more (%v)", h1.UUID, err)
	}
	if b, err := os.ReadFile(kept); err != nil || string(b) != "yes\n" {
		t.Errorf("file in the state directory: %q, %v", b, err)
	}
	if _, err := os.Stat(h1.Path("/run/lost")); !os.IsNotExist(err) {
		t.Errorf("file in /run: %v, want it gone", err)
	}
	if s := state(ctx, t, h1, "plain"); s != "shut off" {
		t.Errorf("persistent guest: %s", s)
	}
	if s := state(ctx, t, h1, "auto"); s != "running" {
		t.Errorf("autostarted guest: %s", s)
	}
	if where := l.Where(ctx, "transient"); len(where) != 0 {
		t.Errorf("transient guest: %+v", where)
	}
	wantReach(t, &h2.Node, &h1.Node, true)
	wantReach(t, l.Machine(), &h1.Node, true)
}

func TestFreezeAndThaw(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	ctx := within(t, time.Minute)
	h := l.Host("h1")
	g, err := h.StartGuest(ctx, lab.GuestSpec{Name: "vm1", Load: 20})
	if err != nil {
		t.Fatal(err)
	}
	w, err := g.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Until(ctx, func(r lab.Record) bool { return r.Lines > 5 }); err != nil {
		t.Fatal(err)
	}
	// Whoever waits for a command on the host gets away in the end.
	stuck := make(chan error, 1)
	go func() {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := h.Exec(short, "sleep", "1000")
		stuck <- err
	}()
	for n := 0; n < 2; { // the host's first process is a sleep, too
		if n, err = h.SignalProgram("sleep", 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Freeze(); err != nil {
		t.Fatal(err)
	}
	if !h.Frozen() {
		t.Error("a frozen host does not say so")
	}
	if _, err := h.Exec(ctx, "true"); err == nil {
		t.Error("a command ran on a frozen host")
	}
	before, err := h.CPUUsage()
	if err != nil {
		t.Fatal(err)
	}
	const frozenFor = 700 * time.Millisecond
	time.Sleep(frozenFor) // not to wait for something, but to have the gap
	if after, err := h.CPUUsage(); err != nil || after > before+time.Millisecond {
		t.Errorf("a frozen host used %s of CPU (%v)", after-before, err)
	}
	if err := <-stuck; err == nil {
		t.Error("a command of 1000 s came to its end")
	}
	at, err := w.Record()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := w.Until(ctx, func(r lab.Record) bool { return r.Lines > at.Lines+5 }); err != nil {
		t.Fatal(err)
	}
	r, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.LongestGap < frozenFor {
		t.Errorf("the longest gap is %s, but the host was frozen for %s", r.LongestGap, frozenFor)
	}
}

func TestFrozenHostCanBePoweredOff(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	ctx := within(t, time.Minute)
	if err := l.Host("h1").Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := l.Host("h1").PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if l.Host("h1").Running() {
		t.Error("h1 has power")
	}
}

func TestNetworkFaults(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 3})
	ctx := within(t, time.Minute)
	h1, h2, h3 := l.Host("h1"), l.Host("h2"), l.Host("h3")

	if err := h2.Cable(false); err != nil {
		t.Fatal(err)
	}
	wantReach(t, &h1.Node, &h2.Node, false)
	wantReach(t, &h1.Node, &h3.Node, true)
	if err := h2.Cable(true); err != nil {
		t.Fatal(err)
	}
	wantReach(t, &h1.Node, &h2.Node, true)

	if err := l.Partition([]*lab.Host{h1}, []*lab.Host{h2, h3}); err != nil {
		t.Fatal(err)
	}
	wantReach(t, &h1.Node, &h2.Node, false)
	wantReach(t, &h3.Node, &h1.Node, false)
	wantReach(t, &h2.Node, &h3.Node, true)
	wantReach(t, l.Machine(), &h1.Node, true)
	if err := l.Heal(); err != nil {
		t.Fatal(err)
	}
	wantReach(t, &h1.Node, &h2.Node, true)
	wantReach(t, &h3.Node, &h1.Node, true)

	const delay = 200 * time.Millisecond
	slow, err := h3.Shape(lab.Shape{Delay: delay})
	if err != nil {
		t.Fatal(err)
	}
	for {
		ok, took := reaches(ctx, &h1.Node, &h3.Node)
		if ctx.Err() != nil {
			t.Fatal("h1 does not reach h3 over a slow cable")
		}
		if !ok {
			continue
		}
		if took < 2*delay { // a connection takes a packet there and one back
			t.Errorf("h1 reaches h3 after %s, want %s or more", took, 2*delay)
		}
		break
	}
	if err := slow.Stop(); err != nil {
		t.Fatal(err)
	}
	dead, err := h3.Shape(lab.Shape{Loss: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantReach(t, &h1.Node, &h3.Node, false)
	if dead.Lost.Load() == 0 || dead.Passed.Load() != 0 {
		t.Errorf("%d packets lost and %d passed, want all lost", dead.Lost.Load(), dead.Passed.Load())
	}
	if err := dead.Stop(); err != nil {
		t.Fatal(err)
	}
	wantReach(t, &h1.Node, &h3.Node, true)
}

func TestMigrationOverALossyCable(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	ctx := within(t, time.Minute)
	g, err := l.Host("h1").StartGuest(ctx, lab.GuestSpec{Name: "vm1"})
	if err != nil {
		t.Fatal(err)
	}
	bad, err := l.Host("h2").Shape(lab.Shape{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.02})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Migrate(ctx, l.Host("h1"), l.Host("h2")); err != nil {
		t.Error(err)
	}
	if bad.Passed.Load() == 0 {
		t.Error("no packet went over the shaped cable")
	}
	if err := bad.Stop(); err != nil {
		t.Error(err)
	}
	if on, err := l.RunningOn(ctx, "vm1"); err != nil || on != l.Host("h2") {
		t.Errorf("vm1 runs on %v, %v", on, err)
	}
}

func TestLibvirtdFaults(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	ctx := within(t, time.Minute)
	h := l.Host("h1")
	g, err := h.StartGuest(ctx, lab.GuestSpec{Name: "vm1"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := g.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.KillLibvirtd(ctx); err != nil {
		t.Fatal(err)
	}
	where := l.Where(ctx, "vm1")
	if len(where) != 1 || where[0].Err == nil || where[0].QEMUs != 1 {
		t.Errorf("without libvirtd: %+v", where)
	}
	if err := h.RestartLibvirtd(ctx); err != nil {
		t.Fatal(err)
	}
	if on, err := l.RunningOn(ctx, "vm1"); err != nil || on != h {
		t.Errorf("after the restart: %v, %v", on, err)
	}
	if n, err := h.SignalProgram("libvirtd", syscall.SIGSTOP); n != 1 || err != nil {
		t.Fatalf("stopped %d libvirtd, %v", n, err)
	}
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if out, err := h.Virsh(short, "list"); err == nil {
		t.Errorf("a stopped libvirtd answered %q", out)
	}
	if _, err := h.SignalProgram("libvirtd", syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if s := state(ctx, t, h, "vm1"); s != "running" {
		t.Errorf("guest: %s", s)
	}
	r, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}

	if err := h.SignalQEMU("vm1", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for len(l.Where(ctx, "vm1")) > 0 {
		if ctx.Err() != nil {
			t.Fatal("a killed transient guest is still there")
		}
	}
}

func TestResetAndShutdown(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	ctx := within(t, time.Minute)
	h := l.Host("h1")
	g, err := h.StartGuest(ctx, lab.GuestSpec{Name: "vm1", Persistent: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.WaitBooted(ctx); err != nil {
		t.Fatal(err)
	}
	w, err := g.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Reset(ctx, h); err != nil {
		t.Fatal(err)
	}
	if err := w.Until(ctx, func(r lab.Record) bool { return len(r.Faults) > 0 }); err != nil {
		t.Fatalf("a guest that started again was not found out: %v", err)
	}
	if _, err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Virsh(ctx, "shutdown", "vm1"); err != nil {
		t.Fatal(err)
	}
	for state(ctx, t, h, "vm1") != "shut off" {
		if ctx.Err() != nil {
			t.Fatal("the power button does nothing")
		}
	}
}
