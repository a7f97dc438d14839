package tests

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/virtbalance/virtbalance/tests/stage"
)

// TestScripts runs the programs as a person would: script/*.txtar, and what the
// documents say (documented).
//
// Beside testscript's own commands there are:
//
//	ports NAME...            set $NAME to a free port of the loopback, each
//	retry SECONDS CMD...     run a command until it succeeds
//	send udp|tcp PORT TEXT   send bytes to a port of the loopback
//	terminal FILE CODE CMD...  run a command on a terminal, see converse
//	documented CODE CMD...     run a command of the documents
//
// the condition [root], and the files gossip.key and world.json, the simulated world of package stage.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	if raceDetector {
		t.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -race") // the programs are processes of their own
	}
	if _, _, err := stage.Build(t.Context(), bin); err != nil {
		t.Fatal(err)
	}
	root, err := stage.Root()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/loadgen")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	scripts, err := filepath.Glob("script/*.txtar")
	if err != nil || len(scripts) < 20 {
		t.Fatalf("%q, %v", scripts, err)
	}
	scripts = append(scripts, documentsScript(t))
	if raceDetector {
		scripts = underRace
	}
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			if err := os.WriteFile(filepath.Join(e.WorkDir, "world.json"), stage.World, 0o600); err != nil {
				return err
			}
			key := filepath.Join(e.WorkDir, "gossip.key")
			return os.WriteFile(key, []byte("c2l4dGVlbiBieXRlcyB0d2ljZSBtYWtlIDMyIGJ5dCE=\n"), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ports": ports, "retry": retry, "send": send, "terminal": converse, "documented": documented,
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		RequireUniqueNames: true,
	})
}

// underRace are the scripts in which most happens at once in a daemon. All of
// them with the race detector take five minutes.
var underRace = []string{"script/cancel.txtar", "script/drain.txtar", "script/relief.txtar", "script/reload.txtar"}

// ports finds free ports. They are free again when it returns; who takes them
// in between makes the script fail, loudly.
func ports(ts *testscript.TestScript, neg bool, names []string) {
	if neg || len(names) == 0 {
		ts.Fatalf("usage: ports NAME...")
	}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		ts.Setenv(name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
}

func retry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: retry SECONDS CMD...")
	}
	limit, err := strconv.Atoi(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(time.Duration(limit) * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not within %d s: %s: %v", limit, strings.Join(args[1:], " "), err)
		}
	}
}

func send(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: send udp|tcp PORT TEXT")
	}
	c, err := net.Dial(args[0], net.JoinHostPort("127.0.0.1", args[1]))
	ts.Check(err)
	defer c.Close()
	_, err = fmt.Fprint(c, args[2])
	ts.Check(err)
}
