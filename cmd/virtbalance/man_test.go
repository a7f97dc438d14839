package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var manDir = flag.String("man", "", "write the man pages to this `directory`")

// TestManPages makes a man page of every command, and keeps them with -man. It
// is a test so that the program itself need not contain what makes them.
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	root.DisableAutoGenTag = true
	// SOURCE_DATE_EPOCH dates them.
	header := &doc.GenManHeader{Title: "VIRTBALANCE", Section: "1", Source: "virtbalance", Manual: "virtbalance"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		page := filepath.Join(dir, manPage(c))
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(strings.ReplaceAll(string(text), `\`, ""), c.Name()) {
			t.Errorf("%s does not name its command", page)
		}
	}
	if man, err := exec.LookPath("man"); err == nil {
		cmd := exec.Command(man, "--warnings=w", "-l", filepath.Join(dir, "virtbalance.1"))
		cmd.Env = append(os.Environ(), "MANPAGER=cat", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "SEE ALSO") || strings.Contains(string(out), "warning:") {
			t.Errorf("man: %v\n%s", err, out)
		}
	}
}

func manPage(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1" }
