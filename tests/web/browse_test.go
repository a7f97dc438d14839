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
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/stage"
)

// runner runs a command somewhere, until ctx ends.
type runner func(ctx context.Context, stdin io.Reader, stdout io.Writer, args ...string) error

// browse runs a script in node. A line "call NAME" of its output has that
// function called.
func browse(t *testing.T, run runner, script, url string, calls map[string]func()) {
	t.Helper()
	install(t)
	script, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// A pipe of the system's, so that nobody has to copy from it until it ends.
	in, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer answers.Close()
	questions, out := io.Pipe()
	args := []string{"env", "CHROMIUM=" + chromium(t), "PICTURES=" + pictures(t), "node", script, url}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, in, out, args...)
		_ = out.Close() // it does not fail
	}()
	for lines := bufio.NewScanner(questions); lines.Scan(); {
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
	if err := <-ended; err != nil {
		t.Errorf("%s: %v", filepath.Base(script), err)
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
