//go:build !race

// Package webtest opens the web page in a real browser, headless Chromium, and
// looks at it as people do: by eye (pictures in docs/images), by keyboard, by
// screen reader (axe), on a small screen, in the dark.
//
// What is done in the browser stands in the *.mjs files; the tests make fleets
// for them to look at. Under the race detector they would only be slower: what
// they try runs in other processes.
package webtest

import (
	"bufio"
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/stage"
)

//go:embed world.json
var world []byte

// browse runs a script in node. A line "call NAME" of its output has that
// function called.
func browse(t *testing.T, script, url string, calls map[string]func()) {
	t.Helper()
	install(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script, url)
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium(t), "PICTURES="+pictures(t))
	cmd.Stderr = cmd.Stdout
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	answers, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		name, called := strings.CutPrefix(lines.Text(), "call ")
		if !called {
			t.Log(lines.Text())
			continue
		}
		calls[name]()
		if _, err := answers.Write([]byte("done\n")); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", script, err)
	}
}

// install fetches what package-lock.json names, once.
func install(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("node_modules/axe-core/axe.min.js"); err == nil {
		return
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium here; .ci/deps test installs one on Debian")
	return ""
}

// pictures is where the pictures go: to the documents if VIRTBALANCE_PICTURES
// says so, else nowhere that lasts.
func pictures(t *testing.T) string {
	t.Helper()
	if os.Getenv("VIRTBALANCE_PICTURES") == "" {
		return t.TempDir()
	}
	root, err := stage.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "docs", "images")
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
	daemons, err := stage.OnSim(dir, binary, stage.Settings{World: world, Over: 6, Window: 8, Settle: 60 * time.Second})
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
	browse(t, "three.mjs", "http://"+daemons[2].Page+"/", map[string]func(){
		"kill": func() {
			if err := daemons[2].Kill(t.Context()); err != nil {
				t.Error(err)
			}
		},
	})
}
