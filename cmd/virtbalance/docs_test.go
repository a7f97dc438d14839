package main

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedCommands reads every command line of the documents as the
// program would: its command, flags and number of arguments must exist.
func TestDocumentedCommands(t *testing.T) {
	seen := 0
	for _, path := range []string{"../../docs/operations.md", "../../README.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		inside := false
		for n, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "```") {
				inside = strings.HasPrefix(line, "```sh")
				continue
			}
			words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(strings.TrimPrefix(line, "$ ")))
			if !inside || len(words) == 0 || words[0] != "virtbalance" {
				continue
			}
			seen++
			cmd, rest, err := newRoot().Find(words[1:])
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil && cmd.Args != nil {
				err = cmd.Args(cmd, cmd.Flags().Args())
			}
			if err != nil || !cmd.HasParent() {
				t.Errorf("%s:%d: %s: %v", path, n+1, line, err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands were found in the documents", seen)
	}
}
