//go:build lab

package e2e

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
)

// TestDrain: one host of three is drained, by the command line and from another
// host, in dry-run mode, as an operator does it before lunch. The guest that
// cannot move is listed first and left running; the daemon is killed half-way and
// the drain goes on; one guest moves at a time, no target is filled above its
// receive mark, and no guest notices. Afterwards one is moved back by hand.
func TestDrain(t *testing.T) {
	const receive = 60
	s := slow()
	s.Mode = "dry-run"
	s.Policy = "low = 10\nreceive = 60\nstop = 62\nhigh = 65\ncooldown_max = \"1s\"\n"
	w := newShow(t, lab.Options{Hosts: 3}, s)
	movers := []string{"mover1", "mover2", "mover3"}
	watches := map[string]*lab.Watch{}
	for _, name := range movers {
		g := w.guest("h2", lab.GuestSpec{Name: name, Load: 5, MemoryMiB: 64, FillMiB: 24, Persistent: true})
		watch, err := g.Watch(w.ctx)
		w.must(err)
		watches[name] = watch
	}
	w.guest("h2", lab.GuestSpec{
		Name: "stays", Load: 5, Persistent: true,
		Metadata: `<vb:domain xmlns:vb="https://virtbalance.org/domain/1"><vb:pin/></vb:domain>`,
	})
	w.until(time.Minute, "the daemon of h2 knows its guests, and no host is busy", func() bool {
		domains := w.domains("h2")
		ready := len(domains) == 4 && domains["stays"].Obstacle == policy.PinnedDomain
		for _, name := range movers {
			ready = ready && domains[name].Obstacle == policy.OK
		}
		return ready && w.cpu("h1") < 0.3 && w.cpu("h3") < 0.3
	})

	ahead, code := w.command("h1", "drain", "h2", "--dry-run")
	if code != 0 || !strings.HasPrefix(ahead, "Stay on h2, running:\n  stays ") || !strings.Contains(ahead, "mover1") {
		t.Errorf("exit code %d, want the guest first that stays:\n%s", code, ahead)
	}
	if why, code := w.command("h1", "explain", "stays"); code != 0 || !strings.Contains(why, policy.PinnedDomain.Text()) {
		t.Errorf("exit code %d:\n%s", code, why)
	}

	var out bytes.Buffer
	drain := exec.CommandContext(w.ctx, cli, "--socket", w.daemons["h1"].Client.Socket(), "drain", "h2", "--yes", "--every", "200ms")
	drain.Stdout, drain.Stderr = &out, &out
	w.must(drain.Start())
	w.until(time.Minute, "the second guest is on its way", func() bool {
		ops := w.status("h2").Operations
		return len(w.made("h2")) == 1 && len(ops) == 1 && ops[0].Phase == "started"
	})
	w.must(w.daemons["h2"].Kill(w.ctx))
	time.Sleep(2 * time.Second) // an outage that lasts, not a hiccup
	w.restart("h2")
	err := drain.Wait()
	t.Logf("virtbalance drain h2:\n%s", out.Bytes())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("the command ended with %v, want exit code 4: a guest stays", err)
	}

	for _, name := range movers {
		on, err := w.lab.RunningOn(w.ctx, name)
		w.must(err)
		if on.Name == "h2" {
			t.Errorf("%s still runs on h2", name)
		}
		record, err := watches[name].Stop()
		w.must(err)
		t.Logf("%s is on %s: %s", name, on.Name, record)
		if err := record.Err(); err != nil {
			t.Errorf("%s did not go on undisturbed: %v", name, err)
		}
	}
	if on, err := w.lab.RunningOn(w.ctx, "stays"); err != nil || on.Name != "h2" {
		t.Errorf("the guest that stays runs on %v (%v)", on, err)
	}
	w.oneAtATime("h2")
	w.neverAbove(receive, "h1", "h3")

	if refused, code := w.command("h3", "move", "mover1", "h2", "--yes"); code != 4 || !strings.Contains(refused, policy.HostCordoned.Text()) {
		t.Errorf("exit code %d, want a host that is drained to take nothing in:\n%s", code, refused)
	}
	if ended, code := w.command("h3", "undrain", "h2"); code != 0 {
		t.Errorf("exit code %d:\n%s", code, ended)
	}
	w.until(time.Minute, "every host has heard that h2 takes domains in again", func() bool {
		hosts, code := w.command("h1", "hosts")
		more, again := w.command("h3", "hosts")
		return code == 0 && again == 0 && !strings.Contains(hosts+more, "draining")
	})
	w.until(time.Minute, "h2 has room for one", func() bool {
		moved, code := w.command("h3", "move", "mover1", "h2", "--yes", "--every", "200ms")
		if code == 4 && strings.Contains(moved, policy.HostOverReceive.Text()) {
			return false // the machine may be busy with something else that goes away
		}
		if code != 0 || !strings.Contains(moved, "mover1 runs on h2") {
			t.Fatalf("exit code %d:\n%s", code, moved)
		}
		return true
	})
	if on, err := w.lab.RunningOn(w.ctx, "mover1"); err != nil || on.Name != "h2" {
		t.Errorf("mover1 runs on %v (%v), want h2", on, err)
	}
}

// command runs the command line on a host, and returns what it says and its exit
// code.
func (w *show) command(host string, args ...string) (string, int) {
	w.Helper()
	cmd := exec.CommandContext(w.ctx, cli, append([]string{"--socket", w.daemons[host].Client.Socket()}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// oneAtATime checks that the moves of a host did not overlap.
func (w *show) oneAtATime(host string) {
	w.Helper()
	moves := w.history(host)
	slices.Reverse(moves)
	for i, o := range moves {
		w.Logf("%s: %s to %s, %s", o.Opened.Format(time.TimeOnly), o.Move.Name, o.ToName, o.Result)
		if i > 0 && o.Opened.Before(moves[i-1].Ended) {
			w.Errorf("%s was begun at %s, before the move of %s had ended at %s", o.Move.Name, o.Opened, moves[i-1].Move.Name, moves[i-1].Ended)
		}
	}
}

// neverAbove checks that what each host had used and promised after each place
// that it granted was within its mark.
func (w *show) neverAbove(receive float64, hosts ...string) {
	w.Helper()
	granted := 0
	for _, host := range hosts {
		for line := range strings.Lines(w.daemons[host].LogOfAllLives()) {
			if !strings.Contains(line, "asked for room") || !strings.Contains(line, "answer=ok") {
				continue
			}
			_, rest, _ := strings.Cut(line, " cpu=")
			percent, _, _ := strings.Cut(rest, "%")
			after, err := strconv.ParseFloat(percent, 64)
			w.must(err)
			granted++
			w.Logf("%s granted a place, and had then used and promised %.1f %%", host, after)
			if after > receive {
				w.Errorf("%s promised beyond its receive mark: %s", host, line)
			}
		}
	}
	if granted == 0 {
		w.Error("no place was granted, and yet guests have moved")
	}
}
