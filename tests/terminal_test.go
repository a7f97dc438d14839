package tests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal is a person at a terminal that runs one program.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	ended  chan struct{}

	mu   sync.Mutex
	text string // all that the program has written
	read int    // how far expect has come
}

// onTerminal starts a program on a terminal of its own, in a session of its own:
// a Ctrl-C that is typed reaches it as a signal.
func onTerminal(cmd *exec.Cmd) (*terminal, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	slave, err := otherEnd(master)
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	if err = errors.Join(err, slave.Close()); err != nil {
		return nil, errors.Join(err, master.Close())
	}
	t := &terminal{master: master, cmd: cmd, ended: make(chan struct{})}
	go t.listen()
	return t, nil
}

// otherEnd opens the side of a pseudo-terminal that a program sees (pts(4)).
func otherEnd(master *os.File) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock the terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("number of the terminal: %w", err)
	}
	return os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
}

// listen reads until the program has closed its side, which is an error (EIO).
func (t *terminal) listen() {
	defer close(t.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := t.master.Read(buffer)
		t.mu.Lock()
		t.text += string(buffer[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until the program has written a text after what was expected
// before.
func (t *terminal) expect(text string, limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		over := t.over()
		if t.sees(text) {
			return nil
		}
		if over || time.Now().After(deadline) {
			return fmt.Errorf("%q was not written within %s:\n%s", text, limit, t.written())
		}
	}
}

// over reports that the program has closed the terminal, as it does when it ends.
func (t *terminal) over() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// sees is expect without waiting.
func (t *terminal) sees(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := strings.Index(t.text[t.read:], text)
	if i < 0 {
		return false
	}
	t.read += i + len(text)
	return true
}

// write types a text.
func (t *terminal) write(text string) error {
	_, err := io.WriteString(t.master, text)
	return err
}

// wait waits for the end of the program; its exit code is -1 if a signal ended
// it.
func (t *terminal) wait() int {
	_ = t.cmd.Wait() // the code says it
	<-t.ended
	_ = t.master.Close() // nothing is lost with it
	return t.cmd.ProcessState.ExitCode()
}

func (t *terminal) written() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text
}

// converse is the command "terminal FILE CODE CMD...": it runs a program on a
// terminal, does there what the lines of the file say, and wants the exit code:
//
//	expect TEXT    wait until the program has written it
//	type TEXT      type it, and Enter; ^C alone is Ctrl-C
func converse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: terminal FILE CODE CMD...")
	}
	t, err := onTerminal(shown(ts, args[2:]))
	ts.Check(err)
	ts.Defer(func() { _ = t.cmd.Process.Kill() }) // it has ended, unless something went wrong
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		what, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch what {
		case "expect":
			ts.Check(t.expect(text, time.Minute))
		case "type":
			if text == "^C" {
				text = "\x03"
			} else {
				text += "\n"
			}
			ts.Check(t.write(text))
		default:
			ts.Fatalf("%s: %q is neither expect nor type", args[0], what)
		}
	}
	code := t.wait()
	ts.Logf("[terminal]\n%s", t.written())
	if want := args[1]; fmt.Sprint(code) != want {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
}

// shown is a program of the script's, as the script would run it.
func shown(ts *testscript.TestScript, args []string) *exec.Cmd {
	program := args[0]
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if info, err := os.Stat(filepath.Join(dir, args[0])); program == args[0] && err == nil && info.Mode().IsRegular() {
			program = filepath.Join(dir, args[0])
		}
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"TERM=xterm"}
	for _, name := range []string{"PATH", "HOME", "WORK", "VIRTBALANCE_SOCKET", "VIRTBALANCE_GROUPS"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// TestTerminal: what the tests that use a terminal rest on.
func TestTerminal(t *testing.T) {
	term, err := onTerminal(exec.Command("sh", "-c", "printf 'who? '; read name; echo hello $name; sleep 60"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		term.expect("who? ", time.Minute), term.write("you\n"), term.expect("hello you", time.Minute), term.write("\x03"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if code := term.wait(); code == 0 {
		t.Error("Ctrl-C did not end the program")
	}
}
