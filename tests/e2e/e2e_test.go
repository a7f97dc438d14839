//go:build lab

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// binary is a virtbalanced that can be told to crash; else it is as released.
var binary string

// cli is the command line.
var cli string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "virtbalance-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binary, cli, err = stage.Build(context.Background(), dir, "failpoints"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// show is a lab with a daemon on each host.
type show struct {
	*testing.T
	lab     *lab.Lab
	daemons map[string]*stage.Daemon
	ctx     context.Context
	acted   bool
}

func newShow(t *testing.T, o lab.Options, s stage.Settings) *show {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute+*soakFor)
	t.Cleanup(cancel)
	if o.KeepaliveInterval == 0 {
		o.KeepaliveInterval, o.KeepaliveCount = time.Second, 3
	}
	o.Weight = 1 << 15 // guests that get less than they want do not heat their host
	w := &show{T: t, lab: labtest.Up(t, o), daemons: map[string]*stage.Daemon{}, ctx: ctx}
	t.Cleanup(func() { w.logsIfFailed(nil) })
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
	w.allHearAll()
	return w
}

// act is a subtest on the same hosts. When it fails, the daemons' logs of its
// time are shown.
func (w *show) act(name string, f func(w *show)) bool {
	w.Helper()
	return w.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		t.Cleanup(cancel)
		before := map[string]int{}
		for host, d := range w.daemons {
			before[host] = len(d.LogOfAllLives())
		}
		w.acted = true
		inner := &show{T: t, lab: w.lab, daemons: w.daemons, ctx: ctx}
		t.Cleanup(func() { inner.logsIfFailed(before) })
		f(inner)
	})
}

// logsIfFailed shows the end of what the daemons have logged, from an offset for
// each, unless the acts have shown theirs, and keeps the whole of it in a file.
func (w *show) logsIfFailed(from map[string]int) {
	const shown = 30 // lines, so that what the test says is not lost among them
	if !w.Failed() || w.acted {
		return
	}
	for host, d := range w.daemons {
		log := d.LogOfAllLives()[from[host]:]
		lines := strings.SplitAfter(log, "\n")
		path := filepath.Join(os.TempDir(), strings.ReplaceAll(w.Name(), "/", "-")+"-"+host+".log")
		if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
			path = err.Error()
		}
		w.Logf("---- virtbalanced on %s, the end of %s\n%s", host, path, strings.Join(lines[max(0, len(lines)-shown):], ""))
	}
}

// allHearAll waits until the daemons of all hosts with power have heard from
// one another.
func (w *show) allHearAll() {
	w.Helper()
	on := map[string]*stage.Daemon{}
	for host, d := range w.daemons {
		if w.lab.Host(host).Running() {
			on[host] = d
		}
	}
	w.until(2*time.Minute, "every daemon has heard from every host", func() bool {
		for host, d := range on {
			select {
			case <-d.Done():
				w.Fatalf("the daemon of %s has ended:\n%s", host, d.Log())
			default:
			}
			if s, err := d.Client.Status(w.ctx); err != nil || s.Fleet.Fresh != len(on) {
				return false
			}
		}
		return true
	})
}

// host is a host of the lab.
func (w *show) host(name string) *lab.Host { return w.lab.Host(name) }

// guest starts a guest, and waits until it runs.
func (w *show) guest(host string, s lab.GuestSpec) *lab.Guest {
	w.Helper()
	g, err := w.host(host).StartGuest(w.ctx, s)
	w.must(err)
	w.must(g.WaitBooted(w.ctx))
	return g
}

// must ends the test if what it needs does not work.
func (w *show) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// until polls the condition, and fails the test if it does not come true. It
// returns how long that took. It leaves the hosts the better part of their CPU: to
// answer is work, too, and they are small.
func (w *show) until(limit time.Duration, what string, condition func() bool) time.Duration {
	w.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > limit || w.ctx.Err() != nil {
			w.Fatalf("not within %s: %s", time.Since(began).Round(time.Second), what)
		}
		time.Sleep(200 * time.Millisecond)
	}
	return time.Since(began)
}

// history returns the ended operations of a host, newest first.
func (w *show) history(host string) []api.Operation {
	w.Helper()
	ops, err := w.daemons[host].Client.History(w.ctx, 1000)
	w.must(err)
	return ops
}

// made is the history but for the moves that the target had no room for: the
// machine may be busy with something else that comes and goes.
func (w *show) made(host string) []api.Operation {
	w.Helper()
	return slices.DeleteFunc(w.history(host), func(o api.Operation) bool { return o.Reason == policy.HostOverReceive })
}

func (w *show) status(host string) api.Status {
	w.Helper()
	s, err := w.daemons[host].Client.Status(w.ctx)
	w.must(err)
	return s
}

// cpu is the share of its CPU that a host says it uses.
func (w *show) cpu(host string) policy.Fraction {
	w.Helper()
	s := w.status(host)
	return s.State.Used.Share(policy.CPU, s.Host.Capacity)
}

// restart starts a daemon again that was killed, and waits until it balances.
func (w *show) restart(hosts ...string) {
	w.Helper()
	for _, host := range hosts {
		w.must(w.daemons[host].Launch())
	}
	for _, host := range hosts {
		w.must(w.daemons[host].WaitReady(w.ctx))
	}
}

// domains returns the domains of a host whose load is known, by name.
func (w *show) domains(host string) map[string]api.Domain {
	w.Helper()
	all, err := w.daemons[host].Client.Domains(w.ctx)
	w.must(err)
	known := map[string]api.Domain{}
	for _, d := range all {
		if d.Known {
			known[d.Name] = d
		}
	}
	return known
}
