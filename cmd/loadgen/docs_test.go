package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The documentation's example is what people copy.
func TestDocumentedScenario(t *testing.T) {
	b, err := os.ReadFile("../../docs/loadgen.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "```toml\n")
	example, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("no scenario in the documentation")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "s.toml")
	for name, content := range map[string]string{path: example, filepath.Join(dir, "monday.csv"): "time,cpu\n0,40\n1,45\n"} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := loadScenario(path)
	if err != nil || len(p.Segments) != 4 || !p.Loop {
		t.Errorf("%+v, %v", p, err)
	}
	for line := range strings.Lines(usage) {
		if flag, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(flag, "--") && !strings.Contains(string(b), flag) &&
			flag != "--version" && flag != "--help" {
			t.Errorf("%s is not in the documentation", flag)
		}
	}
}

// loadgen(1) has the flags that --help has.
func TestManPage(t *testing.T) {
	page, err := os.ReadFile("../../systemd/package/loadgen.1")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), ".Bl -tag")
	list, _, _ = strings.Cut(list, ".El")
	have := flagsIn(list, `Fl Fl ([a-z-]+)`)
	if want := flagsIn(usage, `(?m)^  --([a-z-]+)`); !slices.Equal(have, want) {
		t.Errorf("loadgen(1) has %q, --help %q", have, want)
	}
}

func flagsIn(text, pattern string) []string {
	var flags []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		flags = append(flags, m[1])
	}
	slices.Sort(flags)
	return flags
}
