//go:build lab

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
)

// TestMoveCancelled: somebody who moves a guest by the command line changes their
// mind, presses Ctrl-C half-way, and answers the question. The migration is
// aborted, the command says so, and the guest has noticed nothing.
func TestMoveCancelled(t *testing.T) {
	s := slow()
	s.Mode = "dry-run"
	w := newShow(t, lab.Options{Hosts: 2}, s)
	unbroken := w.watched(w.guest("h1", lab.GuestSpec{Name: "mover", Load: idle, MemoryMiB: 128, FillMiB: 96, Persistent: true}))
	w.until(time.Minute, "h1 knows the guest, and nobody expects to be busy", func() bool {
		return len(w.domains("h1")) == 1 && max(w.status("h1").State.Ahead, w.status("h2").State.Ahead) < 0.3
	})

	// The machine may be busy with something else that comes and goes.
	term := w.onTerminal("h2", "move", "mover", "h2", "--force-load", "--every", "100ms")
	term.says("Move it? [y/N]")
	term.enter("y\n")
	w.until(time.Minute, "the guest is on its way", func() bool {
		ops := w.status("h1").Operations
		return len(ops) == 1 && ops[0].Phase == "started" && ops[0].Done > 0.1
	})
	began := time.Now()
	const ctrlC = "\x03"
	term.enter(ctrlC)
	term.says("Cancel the migration of mover? No watches it on; Ctrl-C leaves it. [y/N]")
	if ops := w.status("h1").Operations; len(ops) != 1 {
		t.Errorf("before the answer the migration has ended: %+v", w.history("h1"))
	}
	term.enter("y\n")
	if code := term.wait(); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
	term.says("mover was not moved to h2 (aborted)")
	t.Logf("cancelled in %.1f s", time.Since(began).Seconds())

	if moves := w.history("h1"); len(moves) != 1 || moves[0].Result != policy.Aborted || moves[0].Reason != policy.Cancelled {
		t.Errorf("the journal says: %+v", moves)
	}
	where := w.lab.Where(w.ctx, "mover")
	if len(where) != 1 || where[0].Host.Name != "h1" || where[0].State != "running" || !where[0].Persistent {
		t.Errorf("mover is at %+v, want it running and defined on h1 alone", where)
	}
	unbroken()
}

// terminal is the command line with a person in front of it.
type terminal struct {
	w    *show
	cmd  *exec.Cmd
	pty  *os.File
	done chan struct{} // closed when nobody writes any more

	mu     sync.Mutex
	output strings.Builder
}

// onTerminal runs the command line on a host, on a terminal of its own.
func (w *show) onTerminal(host string, args ...string) *terminal {
	w.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	w.must(err)
	w.Cleanup(func() { pty.Close() })
	fd := int(pty.Fd())
	w.must(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)) // unlock the other end
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	w.must(err)
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	w.must(err)
	defer tty.Close() // the child has it

	t := &terminal{w: w, pty: pty, done: make(chan struct{})}
	t.cmd = exec.CommandContext(w.ctx, cli, append([]string{"--socket", w.daemons[host].Client.Socket()}, args...)...)
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = tty, tty, tty
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	w.must(t.cmd.Start())
	go func() {
		defer close(t.done)
		b := make([]byte, 4096)
		for {
			n, err := pty.Read(b)
			t.mu.Lock()
			t.output.Write(b[:n])
			t.mu.Unlock()
			if err != nil { // EIO, once the last process is gone
				return
			}
		}
	}()
	return t
}

// enter types something.
func (t *terminal) enter(keys string) {
	t.w.Helper()
	_, err := t.pty.WriteString(keys)
	t.w.must(err)
}

// text is what stands on the terminal.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output.String()
}

// says waits until the text stands on the terminal.
func (t *terminal) says(text string) {
	t.w.Helper()
	began := time.Now()
	for !strings.Contains(t.text(), text) {
		if time.Since(began) > time.Minute {
			t.w.Fatalf("the terminal does not say %q:\n%s", text, t.text())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// wait waits until the command has ended, and returns its exit code.
func (t *terminal) wait() int {
	t.w.Helper()
	_ = t.cmd.Wait() // the exit code says how
	<-t.done
	return t.cmd.ProcessState.ExitCode()
}
