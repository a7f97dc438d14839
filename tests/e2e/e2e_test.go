//go:build lab

package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
	"github.com/virtbalance/virtbalance/tests/stage"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "virtbalance-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binary, _, err = stage.Build(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// show is a lab of three hosts with a daemon on each.
type show struct {
	*testing.T
	lab     *lab.Lab
	daemons map[string]*stage.Daemon
	ctx     context.Context
}

func newShow(t *testing.T, o lab.Options, s stage.Settings) *show {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	o.KeepaliveInterval, o.KeepaliveCount = time.Second, 3
	w := &show{T: t, lab: labtest.Up(t, o), daemons: map[string]*stage.Daemon{}, ctx: ctx}
	daemons, err := stage.OnLab(w.lab, binary, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range daemons {
		if err := d.Launch(); err != nil {
			t.Fatal(err)
		}
		w.daemons[d.Host] = d
	}
	for _, d := range daemons {
		if err := d.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
	w.until(time.Minute, "every daemon has heard from every host", func() bool {
		for _, d := range w.daemons {
			if s, err := d.Client.Status(ctx); err != nil || s.Fleet.Fresh != len(w.daemons) {
				return false
			}
		}
		return true
	})
	return w
}

// guest starts a guest, and waits until it runs.
func (w *show) guest(host string, s lab.GuestSpec) *lab.Guest {
	w.Helper()
	g, err := w.lab.Host(host).StartGuest(w.ctx, s)
	if err != nil {
		w.Fatal(err)
	}
	if err := g.WaitBooted(w.ctx); err != nil {
		w.Fatal(err)
	}
	return g
}

// until polls the condition, and fails the test if it does not come true.
func (w *show) until(limit time.Duration, what string, condition func() bool) time.Duration {
	w.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > limit || w.ctx.Err() != nil {
			w.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

// history returns the ended operations of a host, newest first.
func (w *show) history(host string) []api.Operation {
	w.Helper()
	ops, err := w.daemons[host].Client.History(w.ctx, 100)
	if err != nil {
		w.Fatal(err)
	}
	return ops
}

func (w *show) status(host string) api.Status {
	w.Helper()
	s, err := w.daemons[host].Client.Status(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return s
}
