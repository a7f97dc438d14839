//go:build !lab && !race

// Everything here is a process of its own, built without the race detector.

package alerts_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// TestAlertsArriveAndResolve: three simulated hosts. A guest of h1 turns hot and
// is moved; then the whole fleet is filled, a libvirt fails and a daemon dies.
func TestAlertsArriveAndResolve(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	dir := t.TempDir()
	binary, cli, err := stage.Build(ctx, dir)
	must(t, err)
	daemons, err := stage.OnSim(dir, binary, stage.Settings{})
	must(t, err)
	for _, d := range daemons {
		must(t, d.Start(ctx))
		t.Cleanup(func() { _ = d.Kill(context.WithoutCancel(ctx)) })
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
	s := scene{
		T: t, ctx: ctx, daemons: daemons,
		warm: func() {}, // it turns hot by itself
		fill: func(host string) { load(host, 3600) },
		calm: func(host string) { load(host, 100) },
		libvirt: func(host string, up bool) {
			do(fake.Action{Do: map[bool]fake.Verb{true: fake.LibvirtUp, false: fake.LibvirtDown}[up], Host: host})
		},
	}
	s.play(dir, nil)
	runbookCommands(ctx, t, s.root(), cli, daemons[0].Client.Socket(), daemons[0].Metrics)
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
