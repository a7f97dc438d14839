package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// flagsOf are the flags that the program knows, as --help shows them.
func flagsOf(t *testing.T) []string {
	t.Helper()
	var out, help bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, &help); code != exitOK {
		t.Fatalf("--help exits with %d", code)
	}
	flags := []string{"help"} // pflag's own, which it does not show
	for _, m := range regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(help.String(), -1) {
		flags = append(flags, m[1])
	}
	slices.Sort(flags)
	return flags
}

// The man page has the flags that the program has, in the synopsis and below.
func TestManPage(t *testing.T) {
	page, err := os.ReadFile("../../systemd/package/virtbalanced.8")
	if err != nil {
		t.Fatal(err)
	}
	synopsis, _, _ := strings.Cut(string(page), ".Sh DESCRIPTION")
	var items []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, ".It Fl Fl ") {
			items = append(items, named(line)...)
		}
	}
	for where, have := range map[string][]string{"the synopsis": named(synopsis), "the list": items} {
		slices.Sort(have)
		if want := flagsOf(t); !slices.Equal(have, want) {
			t.Errorf("%s of virtbalanced(8) has %q, the program %q", where, have, want)
		}
	}
}

// named are the flags of a piece of mdoc.
func named(text string) []string {
	var flags []string
	for _, m := range regexp.MustCompile(`Fl Fl ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
		flags = append(flags, m[1])
	}
	return flags
}

// The documents give the program no flag that it does not have.
func TestDocumentedFlags(t *testing.T) {
	paths := []string{"../../README.md", "../../SECURITY.md", "../../config.example.toml", "../../systemd/virtbalanced.service"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/runbooks/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	known := flagsOf(t)
	seen := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range regexp.MustCompile("(-u )?virtbalanced( +--[a-z-]+[^\n`]*)").FindAllStringSubmatch(string(text), -1) {
			if command[1] != "" { // journalctl -u virtbalanced --since
				continue
			}
			for _, m := range regexp.MustCompile(` --([a-z-]+)`).FindAllStringSubmatch(command[2], -1) {
				seen++
				if !slices.Contains(known, m[1]) {
					t.Errorf("%s: virtbalanced%s: there is no flag --%s", path, command[2], m[1])
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d flags were found in the documents", seen)
	}
}
