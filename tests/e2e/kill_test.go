//go:build lab

package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// TestKilledInMidMigration: the daemon of the source, the daemon of the target,
// or libvirtd on the source is killed by SIGKILL while a guest is half-way
// across, and started again some seconds later. Afterwards exactly one copy
// runs, it has never stopped, the journal says truly how the attempt ended, and
// the domain is where the load wants it: where the attempt failed, the next
// decision has moved it.
func TestKilledInMidMigration(t *testing.T) {
	for _, victim := range []struct {
		name  string
		kill  func(w *show)
		start func(w *show)
		// results that a first attempt can truly have.
		results []policy.Result
	}{
		{
			"daemon of the source",
			func(w *show) { w.must(w.daemons["h1"].Kill(w.ctx)) },
			func(w *show) { w.must(w.daemons["h1"].Start(w.ctx)) },
			[]policy.Result{policy.Succeeded},
		},
		{
			"daemon of the target",
			func(w *show) { w.must(w.daemons["h2"].Kill(w.ctx)) },
			func(w *show) { w.must(w.daemons["h2"].Start(w.ctx)) },
			[]policy.Result{policy.Succeeded},
		},
		{
			"libvirtd of the source",
			func(w *show) { w.must(w.host("h1").KillLibvirtd(w.ctx)) },
			func(w *show) { w.must(w.host("h1").StartLibvirtd(w.ctx)) },
			[]policy.Result{policy.Failed, policy.Aborted},
		},
	} {
		t.Run(victim.name, func(t *testing.T) {
			// 48 MiB at 6 MiB/s: the guest is under way for some seconds.
			w := newShow(t, lab.Options{Hosts: 2}, stage.Settings{
				Libvirt: "bandwidth_mib = 6\n",
				Policy:  "failed_backoff = \"5s\"\n",
			})
			w.guest("h1", lab.GuestSpec{
				Name: "pinned", Load: 30, Persistent: true,
				Metadata: `<vb:domain xmlns:vb="https://virtbalance.org/domain/1"><vb:pin/></vb:domain>`,
			})
			mover := w.guest("h1", lab.GuestSpec{Name: "mover", Load: 5, MemoryMiB: 64, FillMiB: 48, Persistent: true})
			watch, err := mover.Watch(w.ctx)
			w.must(err)
			w.must(mover.SetLoad(w.ctx, w.host("h1"), 28))
			w.until(time.Minute, "the guest is half-way across", func() bool {
				s := w.status("h1")
				return len(s.Operations) == 1 && s.Operations[0].Phase == "started" && s.Operations[0].Done > 0.1
			})
			victim.kill(w)
			time.Sleep(3 * time.Second) // an outage that lasts, not a hiccup
			victim.start(w)

			w.until(2*time.Minute, "the mover has arrived and nothing is open", func() bool {
				ended, err := w.daemons["h1"].Client.History(w.ctx, 10)
				status, err2 := w.daemons["h1"].Client.Status(w.ctx)
				return err == nil && err2 == nil && len(status.Operations) == 0 && len(ended) > 0 && ended[0].Result == policy.Succeeded
			})
			ended := w.history("h1")
			first := ended[len(ended)-1]
			truly := false
			for _, r := range victim.results {
				truly = truly || first.Result == r
			}
			if !truly {
				t.Errorf("the first attempt is said to have %s, want one of %v", first.Result, victim.results)
			}
			for _, o := range ended {
				t.Logf("%s: %s, %s %s", o.Move.Name, o.Result, o.Reason.Text(), o.Detail)
			}
			where := w.lab.Where(w.ctx, "mover")
			if len(where) != 1 || where[0].Host.Name != "h2" || where[0].State != "running" || !where[0].Persistent || where[0].QEMUs != 1 {
				t.Errorf("mover is at %+v, want it running and defined on h2 alone", where)
			}
			record, err := watch.Stop()
			w.must(err)
			t.Logf("the guest: %s", record)
			if err := record.Err(); err != nil {
				t.Errorf("the guest did not go on undisturbed: %v", err)
			}
			w.until(time.Minute, "h1 is calm again", func() bool { return w.status("h1").Hold == policy.NotOverloaded })
			if n := len(w.history("h2")); n != 0 {
				t.Errorf("h2 made %d moves", n)
			}
		})
	}
}

// TestOneCoolHost: two hosts are overloaded at once, and one has room, but not for
// all that they would give. What it has used and promised after each grant is
// within its receive mark.
func TestOneCoolHost(t *testing.T) {
	// Three guests of 30 % of a host each make it hot; the cool host has room for
	// one of them, or for two where the machine gives its guests less than they
	// want. The marks are low so that this holds on a busy machine, too.
	const receive = 45
	w := newShow(t, lab.Options{Hosts: 3}, stage.Settings{
		Policy: "low = 10\nreceive = 45\nstop = 50\nhigh = 60\n",
	})
	guests := []string{"a", "b", "c"}
	for _, host := range []string{"h1", "h2"} {
		for _, name := range guests {
			w.guest(host, lab.GuestSpec{Name: name + host, Load: 4, Persistent: true})
		}
	}
	w.guest("h3", lab.GuestSpec{Name: "cool", Load: 3, Persistent: true})
	for _, host := range []string{"h1", "h2"} {
		for _, name := range guests {
			w.must(w.lab.Guest(name+host).SetLoad(w.ctx, w.host(host), 18))
		}
	}
	moved := func() int { return len(succeeded(w, "h1")) + len(succeeded(w, "h2")) }
	w.until(90*time.Second, "a guest has moved", func() bool { return moved() > 0 })
	time.Sleep(20 * time.Second) // for whatever else would come

	// Each answer is logged with what is used and promised after it. That is the
	// figure that has a limit: afterwards guests may want more than they did.
	granted := 0
	for line := range strings.Lines(w.daemons["h3"].LogOfAllLives()) {
		if !strings.Contains(line, "asked for room") || !strings.Contains(line, "answer=ok") {
			continue
		}
		_, rest, _ := strings.Cut(line, " cpu=")
		percent, _, _ := strings.Cut(rest, "%")
		after, err := strconv.ParseFloat(percent, 64)
		w.must(err)
		granted++
		t.Logf("h3 granted a place, and had then used and promised %.1f %%", after)
		if after > receive {
			t.Errorf("h3 promised beyond its receive mark: %s", line)
		}
	}
	if granted == 0 {
		t.Error("h3 granted nothing, and yet a guest has moved there")
	}
}

// succeeded returns the names of the guests that a host has moved away.
func succeeded(w *show, host string) []string {
	w.Helper()
	var names []string
	for _, o := range w.history(host) {
		if o.Result == policy.Succeeded {
			names = append(names, o.Move.Name)
		}
	}
	return names
}
