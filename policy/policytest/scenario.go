package policytest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the answers that were given into the scenario files")

// Files runs every scenario that matches the pattern as a subtest.
func Files(t *testing.T, pattern string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("no scenario matches %s", pattern)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), "# ") {
				t.Errorf("%s does not open with its story", path)
			}
			given, err := Run(string(text))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if given == string(text) {
				return
			}
			if !*rewrite {
				t.Fatalf("%s: %s", path, firstDifference(string(text), given))
			}
			if err := os.WriteFile(path, []byte(given), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Run executes a scenario and returns it with the answers that were given in
// place of those expected: the same text if all is well.
func Run(text string) (string, error) {
	r := NewRunner()
	var out strings.Builder
	inAnswer := false
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if inAnswer {
			if line != "" {
				continue
			}
			inAnswer = false
		}
		if line == "----" {
			inAnswer = true // written when the command was executed
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		answer, err := r.Do(line)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", i+1, err)
		}
		if answer != "" {
			out.WriteString("----\n" + answer)
		}
	}
	return out.String(), nil
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot\n%s", i+1, w[i], strings.Join(g[max(0, min(i, len(g))-3):], "\n"))
		}
	}
	return "more was answered than expected:\n" + strings.Join(g[len(w):], "\n")
}
