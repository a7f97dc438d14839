package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are all pages that a person reads.
func documents(t *testing.T) []string {
	t.Helper()
	paths := []string{"../../README.md", "../../SECURITY.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/runbooks/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	// There the program's name stands before the names of policies.
	return slices.DeleteFunc(paths, func(p string) bool { return filepath.Base(p) == "benchmarks.md" })
}

// TestDocumentedCommands reads every command line of the documents as the
// program would: its command, flags and number of arguments must exist. Command
// lines are lines of their own in blocks; in running text, where arguments may
// be left out, only commands and flags count.
func TestDocumentedCommands(t *testing.T) {
	inText := regexp.MustCompile("`(virtbalance [^`]*)`")
	lines, spans := 0, 0
	check := func(where, command string, whole bool) {
		command, _, _ = strings.Cut(command, " #")
		words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(command))
		if i := slices.IndexFunc(words, func(w string) bool { return w == "&&" || w == "|" || strings.HasPrefix(w, ">") }); i >= 0 {
			words = words[:i]
		}
		if slices.Equal(words, []string{"virtbalance", "--help"}) {
			return
		}
		cmd, rest, err := newRoot().Find(words[1:])
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil && cmd.Args != nil && whole {
			err = cmd.Args(cmd, cmd.Flags().Args())
		}
		if err != nil || !cmd.HasParent() {
			t.Errorf("%s: %s: %v", where, command, err)
		}
	}
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		inside := false
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "```") {
				inside = strings.HasPrefix(line, "```sh")
				continue
			}
			command := strings.TrimPrefix(line, "$ ")
			if indented, ok := strings.CutPrefix(line, "    "); ok {
				command = indented
			}
			if (inside || command != line) && strings.HasPrefix(command, "virtbalance ") {
				lines++
				check(path, command, true)
				continue
			}
			for _, m := range inText.FindAllStringSubmatch(line, -1) {
				spans++
				check(path, m[1], false)
			}
		}
	}
	if lines < 50 || spans < 50 {
		t.Errorf("only %d command lines and %d in the text were found in the documents", lines, spans)
	}
}

// TestEveryCommandIsDocumented: README's table names them all.
func TestEveryCommandIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, row, ok := strings.Cut(string(text), "| `virtbalance` |")
	if !ok {
		t.Fatal("README has no row for virtbalance")
	}
	row, _, _ = strings.Cut(row, "\n")
	for _, c := range newRoot().Commands() {
		if c.IsAvailableCommand() && !strings.Contains(row, "`"+c.Name()+"`") {
			t.Errorf("README's table does not name %s", c.Name())
		}
	}
}

// TestDocumentLinks follows the links of the documents to each other.
func TestDocumentLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	seen := 0
	for _, path := range append(documents(t), "../../docs/benchmarks.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d links were found", seen)
	}
}

// TestEveryDocumentIsLinked: README leads to all of them.
func TestEveryDocumentIsLinked(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%q, %v", pages, err)
	}
	for _, page := range pages {
		if name := "docs/" + filepath.Base(page); !strings.Contains(string(readme), "("+name) {
			t.Errorf("README does not link %s", name)
		}
	}
}
