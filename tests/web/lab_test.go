//go:build lab && !race

package webtest

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// A real migration between two hosts of a lab, ordered by the command line, as
// somebody sees it who has the page of the target open on another computer in
// their network: the guest's segment travels, and has arrived in the end.
func TestPageOfTheLab(t *testing.T) {
	dir := t.TempDir()
	binary, cli, err := stage.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l := labtest.Up(t, lab.Options{Hosts: 2, Capacity: 80, Weight: 1 << 15})
	daemons, err := stage.OnLab(l, binary, stage.Settings{
		Mode: "dry-run", TimeConstant: time.Second, Settle: time.Second,
		Libvirt: "bandwidth_mib = 4\n", // some ten seconds for this guest
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range daemons {
		if err := d.Launch(); err != nil {
			t.Fatal(err)
		}
	}
	h1 := l.Host("h1")
	for name, mib := range map[string]int{"traveller": 64, "stayer": 16} {
		g, err := h1.StartGuest(t.Context(), lab.GuestSpec{Name: name, Load: 5, MemoryMiB: mib, FillMiB: mib * 5 / 8, Persistent: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.WaitBooted(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range daemons {
		if err := d.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "both hosts know of each other, and h1 its guests", func(ctx context.Context) bool {
		for _, d := range daemons {
			if s, err := d.Client.Status(ctx); err != nil || s.Fleet.Fresh != 2 {
				return false
			}
		}
		known := 0
		domains, err := daemons[0].Client.Domains(ctx)
		for _, d := range domains {
			if d.Known && d.Obstacle == policy.OK {
				known++
			}
		}
		return err == nil && known == 2
	})

	var said bytes.Buffer
	// The machine may be busy with something else that comes and goes.
	move := exec.CommandContext(t.Context(), cli, "--socket", daemons[0].Client.Socket(), "move", "traveller", "h2", "--yes", "--force-load", "--every", "200ms")
	move.Stdout, move.Stderr = &said, &said
	computer := func(ctx context.Context, stdin io.Reader, stdout io.Writer, args ...string) error {
		return l.Machine().Run(ctx, stdin, stdout, stdout, args...)
	}
	browse(t, computer, "lab.mjs", "http://"+daemons[1].Page+"/", map[string]func(){
		"move": func() {
			if err := move.Start(); err != nil {
				t.Error(err)
			}
		},
	})
	if move.Process == nil {
		t.Fatal("the browser has not come so far as to see a move")
	}
	if err := move.Wait(); err != nil {
		t.Errorf("virtbalance move: %v", err)
	}
	t.Logf("virtbalance move traveller h2 --yes --force-load\n%s", said.Bytes())
	if on, err := l.RunningOn(t.Context(), "traveller"); err != nil || on.Name != "h2" {
		t.Errorf("the guest runs on %v (%v), want h2", on, err)
	}
	if t.Failed() {
		for _, d := range daemons {
			t.Logf("---- virtbalanced on %s\n%s", d.Host, d.Log())
		}
	}
}

// until polls the condition, and ends the test if it does not come true.
func until(t *testing.T, what string, condition func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !condition(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("not within two minutes: %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
