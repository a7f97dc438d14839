//go:build lab || !race

package alerts_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/alerts"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// scene is a fleet of three hosts, h1 to h3, whose daemons balance.
type scene struct {
	*testing.T
	ctx     context.Context
	daemons []*stage.Daemon
	// warm makes h1 so hot that it gives a domain away; fill makes a host so hot
	// that with all of them filled none has room, and calm ends both.
	warm       func()
	fill, calm func(host string)
	// libvirt stops the libvirt of a host, and starts it again.
	libvirt func(host string, up bool)
}

func (s *scene) root() string {
	s.Helper()
	root, err := stage.Root()
	must(s.T, err)
	return root
}

// play has alerts arrive and resolve. Prometheus runs on a node of a lab, or if
// that is nil, here.
func (s *scene) play(dir string, on *lab.Node) {
	t, ctx, daemons := s.T, s.ctx, s.daemons
	t.Helper()
	var targets []string
	for _, d := range daemons {
		targets = append(targets, d.Metrics)
	}
	m, err := alerts.Start(ctx, alerts.Config{Dir: dir, Root: s.root(), Targets: targets, On: on})
	must(t, err)
	t.Cleanup(m.Stop)
	told := func(status, alert, instance string) {
		t.Helper()
		took := eventually(ctx, t, alert+" is "+status, func() bool { return m.Status(alert, instance) == status })
		t.Logf("%-26s %-9s after %s", alert, status, took.Round(100*time.Millisecond))
	}
	eventually(ctx, t, "every daemon is scraped", func() bool {
		n, err := m.Count(ctx, `virtbalanced_libvirt_connected == 1`)
		return err == nil && n == len(targets)
	})
	for _, alert := range []string{"VirtbalanceNoRoom", "VirtbalanceLibvirtDown", "VirtbalanceDaemonDown"} {
		for _, target := range targets {
			if s := m.Status(alert, target); s != "" {
				t.Errorf("%s is %s before anything has happened", alert, s)
			}
		}
	}

	s.warm()
	eventually(ctx, t, "a domain leaves h1", func() bool {
		ops, err := daemons[0].Client.History(ctx, 10)
		return err == nil && len(ops) > 0 && ops[0].Result == policy.Succeeded
	})
	queries, err := alerts.DashboardQueries(s.root(), "virtbalance", targets[0])
	must(t, err)
	selectors, err := alerts.RuleSelectors(s.root())
	must(t, err)
	returnData(ctx, t, m, append(queries, selectors...))
	t.Logf("%d expressions of the dashboard and %d selectors of the rules return data", len(queries), len(selectors))

	metricsAreWellFormed(ctx, t, m, targets[0])

	for _, d := range daemons {
		s.fill(d.Host)
	}
	told("firing", "VirtbalanceNoRoom", targets[0])
	told("firing", "VirtbalanceHostOverloaded", targets[0])
	for _, d := range daemons {
		s.calm(d.Host)
	}
	told("resolved", "VirtbalanceNoRoom", targets[0])
	told("resolved", "VirtbalanceHostOverloaded", targets[0])

	s.libvirt("h2", false)
	told("firing", "VirtbalanceLibvirtDown", targets[1])
	told("firing", "VirtbalanceNotMeasuring", targets[1])
	must(t, daemons[2].Kill(ctx))
	told("firing", "VirtbalanceDaemonDown", targets[2])
	s.libvirt("h2", true)
	must(t, daemons[2].Start(ctx))
	told("resolved", "VirtbalanceLibvirtDown", targets[1])
	told("resolved", "VirtbalanceNotMeasuring", targets[1])
	told("resolved", "VirtbalanceDaemonDown", targets[2])

	ill, err := m.Unhealthy(ctx)
	must(t, err)
	for rule, why := range ill {
		t.Errorf("%s: %s", rule, why)
	}
}

// returnData waits until every expression returns something.
func returnData(ctx context.Context, t *testing.T, m *alerts.Monitoring, exprs []string) {
	t.Helper()
	if len(exprs) < 60 {
		t.Fatalf("only %d expressions were found", len(exprs))
	}
	for _, expr := range exprs {
		var last error
		limit, cancel := context.WithTimeout(ctx, 20*time.Second)
		for {
			n, err := m.Count(limit, expr)
			if n > 0 {
				break
			}
			last = err
			if limit.Err() != nil || last != nil {
				t.Errorf("no data: %s (%v)", expr, last)
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		cancel()
	}
}

// metricsAreWellFormed has Prometheus's own tool look at what a daemon exports.
func metricsAreWellFormed(ctx context.Context, t *testing.T, m *alerts.Monitoring, target string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+"/metrics", http.NoBody)
	must(t, err)
	resp, err := m.Client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	cmd := exec.CommandContext(ctx, "promtool", "check", "metrics")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func eventually(ctx context.Context, t *testing.T, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if ctx.Err() != nil || time.Since(began) > 90*time.Second {
			t.Fatalf("not within %s: %s", time.Since(began).Round(time.Second), what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
