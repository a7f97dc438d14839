//go:build lab

package alerts_test

import (
	"context"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// TestAlertsOfLabHosts is TestAlertsArriveAndResolve on three real hosts. On each
// a pinned guest is what makes the host hot; h1 has one more guest, which it can
// give away. Prometheus and Alertmanager run in the hosts' network.
func TestAlertsOfLabHosts(t *testing.T) {
	const cold, hot = 3, 100
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	l := labtest.Up(t, lab.Options{
		Hosts: 3, Capacity: 60, KeepaliveInterval: time.Second, KeepaliveCount: 3, Weight: 1 << 15,
	})
	dir := t.TempDir()
	binary, _, err := stage.Build(ctx, dir)
	must(t, err)
	daemons, err := stage.OnLab(l, binary, stage.Settings{
		TimeConstant: time.Second, Over: 2, Window: 3, Settle: time.Second, RefusedBackoff: time.Second,
		Policy: "low = 10\nreceive = 55\nstop = 58\nhigh = 60\n",
	})
	must(t, err)
	for _, d := range daemons {
		must(t, d.Launch())
	}
	for _, d := range daemons {
		must(t, d.WaitReady(ctx))
		must(t, d.Client.SetPaused(ctx, true)) // starting guests is load
	}
	guest := func(h *lab.Host, s lab.GuestSpec) {
		t.Helper()
		s.Load, s.Persistent = cold, true
		g, err := h.StartGuest(ctx, s)
		must(t, err)
		must(t, g.WaitBooted(ctx))
	}
	for _, h := range l.Hosts() {
		guest(h, lab.GuestSpec{
			Name:     "heater" + h.Name,
			Metadata: `<vb:domain xmlns:vb="https://virtbalance.org/domain/1"><vb:pin/></vb:domain>`,
		})
	}
	guest(l.Host("h1"), lab.GuestSpec{Name: "mover"})
	eventually(ctx, t, "every host is calm and knows its guests and the others", func() bool {
		for _, d := range daemons {
			s, err := d.Client.Status(ctx)
			must(t, err)
			if s.Fleet.Fresh != len(daemons) || s.Hold != policy.NotOverloaded || s.State.Ahead > 0.3 || len(measured(ctx, t, d)) != s.State.Running {
				return false
			}
		}
		return true
	})
	for _, d := range daemons {
		must(t, d.Client.SetPaused(ctx, false))
	}

	load := func(host string, percent int) {
		t.Helper()
		must(t, l.Guest("heater"+host).SetLoad(ctx, l.Host(host), percent))
	}
	s := scene{
		T: t, ctx: ctx, daemons: daemons,
		warm: func() { load("h1", hot) },
		fill: func(host string) { load(host, hot) },
		calm: func(host string) { load(host, cold) },
		libvirt: func(host string, up bool) {
			if up {
				must(t, l.Host(host).StartLibvirtd(ctx))
			} else {
				must(t, l.Host(host).KillLibvirtd(ctx))
			}
		},
	}
	s.play(dir, l.Machine())
}

// measured are the domains of a host whose load is known.
func measured(ctx context.Context, t *testing.T, d *stage.Daemon) (known []api.Domain) {
	t.Helper()
	all, err := d.Client.Domains(ctx)
	must(t, err)
	for _, domain := range all {
		if domain.Known {
			known = append(known, domain)
		}
	}
	return known
}
