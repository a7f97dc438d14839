package tests

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/virtbalance/virtbalance/balancer/config"
)

// The documents' commands are run, in the order in which they stand there, on
// the fleet of testdata/documents.txtar, whose hosts and domains have the names
// that the documents use. Each is typed at a terminal, where questions are
// answered with yes.

// documentedPages are in the order in which a person reads them.
var documentedPages = []string{"README.md", "docs/install.md", "docs/operations.md", "docs/why-not.md", "docs/*.md", "docs/runbooks/*.md"}

// ourPrograms are those whose command lines must run.
var ourPrograms = []string{"virtbalance", "virtbalanced", "loadgen"}

// elsewhere are command lines that need more than a simulated fleet, by how they
// begin, with what runs them instead: a text that stands in a file.
var elsewhere = []struct{ prefix, file, text string }{
	{"virtbalance simulate --traces", "tests/script/simulate_traces.txtar", "simulate --traces"},                     // of traces, which take their time
	{"virtbalance replay /var/lib/virtbalanced/record", "tests/script/relief.txtar", "virtbalance replay h1/record"}, // needs record = true
	{"make build", ".ci/run", "make build"},
	{"make test", ".ci/run", "make test"},
	{"make demo", "tests/e2e/relief_test.go", "func Test"},             // the same story
	{"make install", "tests/packages/packages_test.go", "TestTarball"}, // the same files
	{"make fuzz", "tests/fuzz.mk", ".ci/fuzz"},
	{"make soak", "tests/e2e/soak_test.go", "func TestSoak"},
	{"make bench-", "policy/sim/bench.mk", "bench-policy"},                // figures, which nothing checks
	{"go run ./policy/sim/cmd/vbsim", "policy/sim/bench.mk", "cmd/vbsim"}, // the same
	{"go test ", ".ci/run", "make test"},
	{"apt ", "tests/packages/packages_test.go", "func TestDeb"},
	{"dnf ", "tests/packages/packages_test.go", "func TestRPM"},
	{"systemd-sysusers ", "tests/packages/deb.sh", "deb"},
	{"systemctl ", "tests/packages/deb.sh", "try-restart virtbalanced.service"},
	{"virsh ", "tests/lab/lab_test.go", "func TestMigrationIsSeamless"},   // connects by libvirt's TLS
	{"firewall-cmd ", "docs/install.md", "17450/udp,17451/tcp,16514/tcp"}, // TestDocumentedPorts
}

// otherCodes are the exit codes of commands that are not to succeed on that fleet.
var otherCodes = map[string]int{
	"virtbalance apply web1": 4, // nothing is overloaded, so nothing is proposed
}

// untilStopped go on until Ctrl-C.
var untilStopped = []string{"virtbalance top", "loadgen "}

// command is one line of a document.
type command struct{ where, line string }

// ours reports that the documents' script runs the command.
func (c command) ours() bool {
	program, _, _ := strings.Cut(c.line, " ")
	return slices.Contains(ourPrograms, program) && !strings.HasPrefix(c.line, "virtbalance simulate --traces") &&
		!strings.HasPrefix(c.line, "virtbalance replay /var/lib/virtbalanced/record")
}

// documentedCommands are the lines of the pages' blocks of shell.
func documentedCommands(t *testing.T) []command {
	t.Helper()
	var commands []command
	var read []string
	for _, pattern := range documentedPages {
		pages, err := filepath.Glob("../" + pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("%s: %q, %v", pattern, pages, err)
		}
		for _, page := range pages {
			if slices.Contains(read, page) {
				continue
			}
			read = append(read, page)
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			commands = append(commands, shellLines(strings.TrimPrefix(page, "../"), string(text))...)
		}
	}
	return commands
}

// shellLines are the command lines of a page: those of blocks marked sh, and
// indented ones that begin with the name of a program.
func shellLines(page, text string) []command {
	var commands []command
	fenced, shell := false, false
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			shell = fenced && line == "```sh"
			continue
		}
		indented, isIndented := strings.CutPrefix(line, "    ")
		if !shell && (fenced || !isIndented) || strings.TrimSpace(line) == "" {
			continue
		}
		if isIndented {
			line = indented
		}
		line = strings.TrimPrefix(line, "$ ")
		line, _, _ = strings.Cut(line, " #")
		line = strings.TrimSpace(line)
		program, _, _ := strings.Cut(line, " ")
		known := slices.Contains(ourPrograms, program) || slices.ContainsFunc(elsewhere, func(e struct{ prefix, file, text string }) bool {
			return strings.HasPrefix(line, e.prefix)
		})
		if shell || known {
			commands = append(commands, command{fmt.Sprintf("%s:%d", page, number), line})
		}
	}
	return commands
}

// documentsScript writes the script that runs the documents' commands.
func documentsScript(t *testing.T) string {
	t.Helper()
	var script strings.Builder
	ours := 0
	for _, c := range documentedCommands(t) {
		if !c.ours() {
			continue
		}
		ours++
		if strings.HasPrefix(c.line, "virtbalance explain ") {
			// So with the reports of what they run, which are some seconds old.
			fmt.Fprintf(&script, "retry 30 %s\n", here(ours, c.line))
		}
		fmt.Fprintf(&script, "# %s\ndocumented %d %s\n", c.where, otherCodes[c.line], here(ours, c.line))
		script.WriteString(heard(c.line))
	}
	if ours < 60 {
		t.Errorf("only %d commands were found in the documents", ours)
	}
	frame, err := os.ReadFile("testdata/documents.txtar")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "documents.txtar")
	if err := os.WriteFile(path, []byte(strings.Replace(string(frame), "@COMMANDS@\n", script.String(), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// heard waits until every host has heard of what a command has changed of a host:
// that comes with the gossip, in seconds, and the next command in milliseconds.
func heard(line string) string {
	everywhere := func(lines, hosts string) string {
		return fmt.Sprintf("retry 30 sh -c 'for i in 1 2 3 4 5; do virtbalance --socket node$i.sock hosts %s >heard.txt && grep -q ^node heard.txt || exit 1; grep ^node heard.txt | grep -E%s \"draining|cordoned\" && exit 1; done; true'\n", hosts, lines)
	}
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "virtbalance" || slices.Contains(words, "--dry-run") {
		return ""
	}
	switch words[1] {
	case "drain", "cordon":
		return everywhere("v", strings.Trim(words[2], "'"))
	case "undrain", "uncordon":
		return everywhere("", "")
	}
	return ""
}

// here puts this fleet into a command line, the n-th: its files, its names. Each
// bootstrap is that of a new host.
func here(n int, line string) string {
	line = strings.NewReplacer(" VM", " web1", "/etc/virtbalanced/config.toml", "node1.toml").Replace(line)
	switch {
	case strings.HasPrefix(line, "virtbalanced"):
		line += " --config node1.toml --hypervisor sim:unix:$WORK/world.sock?host=node1"
	case strings.HasPrefix(line, "virtbalance bootstrap"):
		line += fmt.Sprintf(" --advertise 192.0.2.1 --config host%d/config.toml --key host%[1]d/gossip.key", n)
	}
	return line
}

// TestDocumentedElsewhere: a line of the documents that is not ours to run is one
// of those that something else runs.
func TestDocumentedElsewhere(t *testing.T) {
	used := map[string]bool{}
	for _, c := range documentedCommands(t) {
		if c.ours() {
			continue
		}
		found := false
		for _, e := range elsewhere {
			if strings.HasPrefix(c.line, e.prefix) {
				found, used[e.prefix] = true, true
			}
		}
		if !found {
			t.Errorf("%s: nothing runs %q", c.where, c.line)
		}
	}
	for _, e := range elsewhere {
		if text, err := os.ReadFile("../" + e.file); err != nil || !strings.Contains(string(text), e.text) {
			t.Errorf("%q is said to be run by %q of %s, which is not there (%v)", e.prefix, e.text, e.file, err)
		}
		if !used[e.prefix] {
			t.Errorf("no document says %q any more", e.prefix)
		}
	}
}

// documented is the command "documented CODE CMD...": it runs a program as the
// documents have it, at a terminal, and wants the exit code.
func documented(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: documented CODE CMD...")
	}
	line := strings.Join(args[1:], " ")
	t, err := onTerminal(shown(ts, args[1:]))
	ts.Check(err)
	ts.Defer(func() { _ = t.cmd.Process.Kill() }) // it has ended, unless something went wrong
	stop := slices.ContainsFunc(untilStopped, func(p string) bool { return strings.HasPrefix(line, p) })
	for deadline := time.Now().Add(time.Minute); !t.over(); time.Sleep(10 * time.Millisecond) {
		switch {
		case t.sees("[y/N]"):
			err = t.write("y\n")
		case stop && t.sees("\n"):
			stop = false
			err = t.write("\x03")
		case time.Now().After(deadline):
			err = fmt.Errorf("it goes on and on:\n%s", t.written())
		}
		ts.Check(err)
	}
	code := t.wait()
	ts.Logf("%s", t.written())
	if want := args[0]; fmt.Sprint(code) != want {
		ts.Fatalf("%s: exit code %d, want %s", line, code, want)
	}
}

// TestDocumentedPorts: the firewall is opened for the ports that are the defaults.
func TestDocumentedPorts(t *testing.T) {
	c := config.Default()
	_, peer, err := net.SplitHostPort(c.Peer.Listen)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("--add-port={%d/tcp,%[1]d/udp,%s/tcp,16514/tcp,49152-49215/tcp}", c.Gossip.Listen.Port(), peer)
	text, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), want) {
		t.Errorf("docs/install.md does not say %s", want)
	}
}
