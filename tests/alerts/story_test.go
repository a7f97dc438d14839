package alerts_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/alerts"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// TestAlertsArriveAndResolve: three simulated hosts. A guest of h1 turns hot and
// is moved; then the whole fleet is filled, a libvirt fails and a daemon dies.
func TestAlertsArriveAndResolve(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	dir := t.TempDir()
	root, err := stage.Root()
	must(t, err)
	binary, cli, err := stage.Build(ctx, dir)
	must(t, err)
	daemons, err := stage.OnSim(dir, binary, stage.Settings{})
	must(t, err)
	var targets []string
	for _, d := range daemons {
		must(t, d.Start(ctx))
		t.Cleanup(func() { _ = d.Kill(context.WithoutCancel(ctx)) })
		targets = append(targets, d.Metrics)
	}
	m, err := alerts.Start(ctx, alerts.Config{Dir: dir, Root: root, Targets: targets})
	must(t, err)
	t.Cleanup(m.Stop)
	told := func(status, alert, instance string) {
		t.Helper()
		took := eventually(ctx, t, alert+" is "+status, func() bool { return m.Status(alert, instance) == status })
		t.Logf("%-26s %-9s after %s", alert, status, took.Round(100*time.Millisecond))
	}
	world := fake.Dial(filepath.Join(dir, "world.sock"))
	do := func(a fake.Action) {
		t.Helper()
		must(t, world.Do(ctx, a))
	}
	load := func(host string, cpu policy.MilliCPU) {
		t.Helper()
		demand := fake.Constant(cpu)
		do(fake.Action{Do: fake.SetLoad, Host: host, Demand: &demand})
	}

	eventually(ctx, t, "web1 leaves h1", func() bool {
		ops, err := daemons[0].Client.History(ctx, 1)
		return err == nil && len(ops) == 1 && ops[0].Result == policy.Succeeded
	})
	queries, err := alerts.DashboardQueries(root, "virtbalance", targets[0])
	must(t, err)
	selectors, err := alerts.RuleSelectors(root)
	must(t, err)
	returnData(ctx, t, m, append(queries, selectors...))
	t.Logf("%d expressions of the dashboard and %d selectors of the rules return data", len(queries), len(selectors))
	for _, alert := range []string{"VirtbalanceNoRoom", "VirtbalanceLibvirtDown", "VirtbalanceDaemonDown"} {
		for _, target := range targets {
			if s := m.Status(alert, target); s != "" {
				t.Errorf("%s is %s before anything has happened", alert, s)
			}
		}
	}
	metricsAreWellFormed(ctx, t, targets[0])
	runbookCommands(ctx, t, root, cli, daemons[0].Client.Socket(), targets[0])

	for _, host := range stage.SimHosts {
		load(host, 3600)
	}
	told("firing", "VirtbalanceNoRoom", targets[0])
	told("firing", "VirtbalanceHostOverloaded", targets[0])
	for _, host := range stage.SimHosts {
		load(host, 100)
	}
	told("resolved", "VirtbalanceNoRoom", targets[0])
	told("resolved", "VirtbalanceHostOverloaded", targets[0])

	do(fake.Action{Do: fake.LibvirtDown, Host: "h2"})
	told("firing", "VirtbalanceLibvirtDown", targets[1])
	told("firing", "VirtbalanceNotMeasuring", targets[1])
	must(t, daemons[2].Kill(ctx))
	told("firing", "VirtbalanceDaemonDown", targets[2])
	do(fake.Action{Do: fake.LibvirtUp, Host: "h2"})
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
func metricsAreWellFormed(ctx context.Context, t *testing.T, target string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+"/metrics", http.NoBody)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
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

// runbookCommands runs what the runbooks tell people to run, as far as it needs
// nothing but the daemon.
func runbookCommands(ctx context.Context, t *testing.T, root, cli, socket, target string) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	must(t, err)
	seen := map[string]bool{}
	command := regexp.MustCompile(`(?m)^    ((?:virtbalance|curl) .*?)\s*(?:#.*)?$`)
	for _, page := range pages {
		data, err := os.ReadFile(page)
		must(t, err)
		for _, match := range command.FindAllStringSubmatch(string(data), -1) {
			line := match[1]
			if seen[line] {
				continue
			}
			seen[line] = true
			line = strings.NewReplacer("VM", "db1", "localhost:17452", target).Replace(line)
			line = strings.Replace(line, "virtbalance ", cli+" --socket "+socket+" ", 1)
			if out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput(); err != nil || len(out) == 0 {
				t.Errorf("%s: %s: %v\n%s", filepath.Base(page), match[1], err, out)
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("only %d commands were found", len(seen))
	}
}

func eventually(ctx context.Context, t *testing.T, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if ctx.Err() != nil || time.Since(began) > time.Minute {
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
