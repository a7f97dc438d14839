//go:build !race && !lab

package webtest

import (
	"context"
	_ "embed"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/stage"
)

//go:embed world.json
var world []byte

// here runs a command on this machine.
func here(ctx context.Context, stdin io.Reader, stdout io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	return cmd.Run()
}

// Three daemons of simulated hosts, one of which gets too hot: the page of
// another shows the overload, the migration and what came of it, and says so
// when its daemon is gone.
func TestPageOfThreeHosts(t *testing.T) {
	dir := t.TempDir()
	binary, _, err := stage.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	daemons, err := stage.OnSim(dir, binary, stage.Settings{World: world, Over: 6, Window: 8, Settle: 60 * time.Second, Policy: "audit_soon = \"8s\"\n"})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range daemons {
		if err := d.Launch(); err != nil {
			t.Fatal(err)
		}
		if i == 0 { // it serves the world to the others
			if err := d.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer func() {
		for _, d := range daemons {
			_ = d.Kill(context.WithoutCancel(t.Context())) // one is dead already
		}
	}()
	for _, d := range daemons {
		if err := d.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	browse(t, here, "three.mjs", "http://"+daemons[2].Page+"/", map[string]func(){
		"kill": func() {
			if err := daemons[2].Kill(t.Context()); err != nil {
				t.Error(err)
			}
		},
	})
}
