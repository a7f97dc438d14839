//go:build lab

package e2e

import (
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// What the policy does besides relief by a single move.

// TestExchange: a host is overloaded by two guests, and neither fits on the other
// host, which has room for most of one. That is all there is to say, until swaps
// are allowed: then the other host takes one of them and gives a smaller one back,
// neither comes above its stop mark on the way, and no guest notices.
func TestExchange(t *testing.T) {
	// Shares of a host. Two big ones bring it to 80 %, a big and a small one to 60 %,
	// one alone to 40 or 20 %. Each figure is some 10 points from the marks on either
	// side of it, and more from all of the CPU, where what guests wait for counts as
	// load, too.
	const (
		big, small = 0.40, 0.20
		stop       = 69
	)
	s := patient()
	s.TimeConstant, s.Cooldown = 2*time.Second, 30*time.Minute
	s.Policy = "low = 10\nreceive = 50\nstop = 69\nhigh = 70\nbreaker_failures = 0\nswaps = false\n"
	w := newShow(t, lab.Options{Hosts: 2, Capacity: 50}, s)
	w.must(w.daemons["h1"].Client.SetPaused(w.ctx, true))
	start := func(host, name string) *lab.Guest {
		return w.guest(host, lab.GuestSpec{Name: name, Load: idle, Persistent: true})
	}
	unbroken := w.watched(start("h1", "big1"), start("h1", "big2"), start("h2", "small"))
	held := w.hold(map[string]map[string]policy.Fraction{"h1": {"big1": big, "big2": big}, "h2": {"small": small}})

	w.must(w.daemons["h1"].Client.SetPaused(w.ctx, false))
	w.until(time.Minute, "h1 says that nothing can be moved", func() bool {
		held.trim()
		return w.status("h1").Hold == policy.NoFeasibleHost
	})
	for _, name := range []string{"big1", "big2"} {
		e, err := w.daemons["h1"].Client.Explain(w.ctx, name)
		w.must(err)
		if !slices.ContainsFunc(e.Hosts, func(h api.HostExplanation) bool { return h.Name == "h2" && h.Reason == policy.HostOverReceive }) {
			t.Errorf("h1 says of where %s could go: %+v", name, e.Hosts)
		}
	}
	for host := range w.daemons {
		if moves := w.history(host); len(moves) != 0 {
			t.Errorf("without swaps %s moved %+v", host, moves)
		}
	}

	began := time.Now()
	w.reload("swaps = false", "swaps = true", "h2", "h1")
	// Who is refused an exchange asks for none for two minutes.
	w.until(5*time.Minute, "both halves have ended", func() bool {
		if len(w.status("h1").Operations)+len(w.made("h1")) == 0 {
			held.trim()
		}
		return len(w.made("h1")) > 0 && len(w.made("h2")) > 0
	})
	t.Logf("exchanged %.1f s after it was allowed", time.Since(began).Seconds())
	w.until(time.Minute, "h1 is below its high mark", func() bool { return w.status("h1").State.Band < policy.BandHigh })
	time.Sleep(5 * time.Second) // for whatever else would come
	for host, why := range map[string]policy.Reason{"h1": policy.Overload, "h2": policy.Swap} {
		moves := w.made(host)
		for _, o := range moves {
			t.Logf("%s moved %s to %s because of %s: %s", host, o.Move.Name, o.ToName, o.Move.Why, o.Result)
		}
		if len(moves) != 1 || moves[0].Result != policy.Succeeded || moves[0].Move.Why != why || (moves[0].Move.Name == "small") != (host == "h2") {
			t.Errorf("%s made %d moves, want one because of %s", host, len(moves), why)
		}
	}
	w.neverAbove(stop, "h1", "h2")
	unbroken()
}

// TestLabelRemoved: a label is taken from a host by the command line, on another
// host. Exactly the guests that require it leave, one of which has just come, and
// go where the label is; the others stay.
func TestLabelRemoved(t *testing.T) {
	w := newShow(t, lab.Options{Hosts: 3, Capacity: 100}, stage.Settings{Settle: time.Second})
	for host, labels := range map[string]string{"h1": "gpu,ssd", "h2": "gpu", "h3": "ssd"} {
		if out, code := w.command("h3", "label", host, "--add", labels); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, out)
		}
	}
	w.until(time.Minute, "every host has heard of the labels", func() bool {
		for _, d := range w.daemons {
			hosts, err := d.Client.Hosts(w.ctx)
			w.must(err)
			if slices.ContainsFunc(hosts, func(h api.Host) bool { return len(h.Labels) == 0 }) {
				return false
			}
		}
		return true
	})
	requires := func(label string) string {
		return `<vb:domain xmlns:vb="https://virtbalance.org/domain/1"><vb:requires label="` + label + `"/></vb:domain>`
	}
	start := func(host, name, metadata string) *lab.Guest {
		return w.guest(host, lab.GuestSpec{Name: name, Load: idle, Persistent: true, Metadata: metadata})
	}
	unbroken := w.watched(
		start("h1", "render", requires("gpu")),
		start("h2", "train", requires("gpu")),
		start("h2", "other", requires("gpu")),
		start("h1", "web", requires("ssd")),
		start("h1", "plain", ""),
	)
	// Starting guests is load.
	w.until(time.Minute, "the daemons know their guests, and nobody expects to be busy", func() bool {
		return len(w.domains("h1")) == 3 && len(w.domains("h2")) == 2 &&
			max(w.cpu("h1"), w.cpu("h2"), w.status("h1").State.Ahead, w.status("h2").State.Ahead) < 0.4
	})
	w.until(time.Minute, "h1 has room", func() bool {
		_, code := w.command("h3", "move", "train", "h1", "--dry-run", "--force-load")
		return code == 0
	})
	// Just moved, and so in its cooldown; above the receive mark if need be, for the
	// machine may be busy with something else.
	if out, code := w.command("h3", "move", "train", "h1", "--yes", "--force-load", "--every", "200ms"); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	w.until(time.Minute, "h1 knows the one that has come", func() bool { return len(w.domains("h1")) == 4 })

	const leave = "These domains require labels that it lacks, and would leave"
	if out, code := w.command("h3", "label", "h1", "--remove", "gpu", "--dry-run"); code != 0 ||
		!containsLine(out, leave, "render", "train") || containsLine(out, leave, "web") || containsLine(out, leave, "plain") {
		t.Errorf("exit code %d, want that render and train would leave:\n%s", code, out)
	}
	began := time.Now()
	if out, code := w.command("h3", "label", "h1", "--remove", "gpu"); code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	w.until(time.Minute, "both have left", func() bool { return len(succeeded(w, "h1")) == 2 })
	t.Logf("both have left %.1f s after the label went", time.Since(began).Seconds())
	time.Sleep(5 * time.Second) // for whatever else would come
	for name, want := range map[string]string{"render": "h2", "train": "h2", "other": "h2", "web": "h1", "plain": "h1"} {
		if on, err := w.lab.RunningOn(w.ctx, name); err != nil || on.Name != want {
			t.Errorf("%s runs on %v (%v), want %s", name, on, err, want)
		}
	}
	w.oneAtATime("h1")
	for _, o := range w.made("h1") {
		if o.Move.Why != policy.RuleBroken || o.Result != policy.Succeeded {
			t.Errorf("%s was moved because of %s: %s", o.Move.Name, o.Move.Why, o.Result)
		}
	}
	unbroken()
}

// TestConsolidate: of four hosts one runs nothing, and one could be emptied. Not
// while the two that would be left could not bear the loss of one of them; once
// they may count on a host in reserve, it is. Then two hosts run nothing: one is
// kept, the other is named as one that could be powered off.
func TestConsolidate(t *testing.T) {
	w := newShow(t, lab.Options{Hosts: 4}, stage.Settings{
		Settle: 2 * time.Second,
		Policy: "strategy = \"consolidate\"\nspare = 0\n",
	})
	// The two use 600 of 1024 MiB each; what they may use fits on no host that runs
	// anything, and gives 90 % at most: which host is emptied is no matter of load.
	full := lab.GuestSpec{Load: idle, MemoryMiB: 872, FillMiB: 500, Persistent: true}
	var guests []*lab.Guest
	for host, name := range map[string]string{"h2": "full2", "h3": "full3"} {
		full.Name = name
		guests = append(guests, w.guest(host, full))
	}
	w.until(time.Minute, "h2 and h3 say that they have filled up", func() bool {
		hosts, err := w.daemons["h1"].Client.Hosts(w.ctx)
		w.must(err)
		filled := 0
		for _, h := range hosts {
			if h.Used.Memory > 500*policy.MiB && h.Running == 1 {
				filled++
			}
		}
		return filled == 2
	})
	for _, name := range []string{"small1", "small2"} {
		guests = append(guests, w.guest("h1", lab.GuestSpec{Name: name, Load: idle, MemoryMiB: 32, Persistent: true}))
	}
	unbroken := w.watched(guests...)
	w.until(time.Minute, "h1 knows its guests", func() bool {
		domains := w.domains("h1")
		return len(domains) == 2 && domains["small1"].Obstacle == policy.OK && domains["small2"].Obstacle == policy.OK
	})
	for range 60 { // three times as long as a host says that it could be emptied before it begins
		if s := w.status("h1"); s.State.Flags.Has(policy.Emptying) || len(s.Operations) > 0 {
			t.Fatalf("h1 begins, and the others could not bear the loss of one: %+v", s.State)
		}
		time.Sleep(100 * time.Millisecond)
	}

	began := time.Now()
	w.reload("spare = 0", "spare = 1", "h1", "h2", "h3", "h4")
	w.until(time.Minute, "h1 is empty", func() bool { return len(succeeded(w, "h1")) == 2 })
	t.Logf("h1 was empty %.1f s after it might be", time.Since(began).Seconds())
	h1, h4 := w.host("h1").UUID, w.host("h4").UUID
	w.until(time.Minute, "one of the two that run nothing is named", func() bool {
		for host := range w.daemons {
			idle := w.status(host).Idle
			// Equals are kept in the order of their IDs.
			if len(idle) != 1 || string(idle[0]) != max(h1, h4) {
				return false
			}
		}
		return true
	})
	name := map[string]string{h1: "h1", h4: "h4"}[max(h1, h4)]
	if out, code := w.command("h2", "status"); code != 0 || !containsLine(out, "Could be powered off", name) {
		t.Errorf("exit code %d, want %s named as one that could be powered off:\n%s", code, name, out)
	}
	time.Sleep(5 * time.Second) // for whatever else would come
	for host := range w.daemons {
		if n := len(w.made(host)); host != "h1" && n != 0 || host == "h1" && n != 2 {
			t.Errorf("%s made %d moves", host, n)
		}
	}
	for _, o := range w.made("h1") {
		if o.Move.Why != policy.Consolidating || o.ToName == "h4" {
			t.Errorf("%s was moved to %s because of %s", o.Move.Name, o.ToName, o.Move.Why)
		}
	}
	w.oneAtATime("h1")
	unbroken()
}

// watched begins to watch guests. What it returns checks that each of them went
// on all the time, and still runs.
func (w *show) watched(guests ...*lab.Guest) (unbroken func()) {
	w.Helper()
	watches := map[string]*lab.Watch{}
	for _, g := range guests {
		watch, err := g.Watch(w.ctx)
		w.must(err)
		watches[g.Name] = watch
	}
	return func() {
		w.Helper()
		for name, watch := range watches {
			on, err := w.lab.RunningOn(w.ctx, name)
			w.must(err)
			record, err := watch.Stop()
			w.must(err)
			w.Logf("%s is on %s: %s", name, on.Name, record)
			if err := record.Err(); err != nil {
				w.Errorf("%s did not go on undisturbed: %v", name, err)
			}
		}
	}
}

// holding keeps guests at shares of their hosts' CPU, as the hosts' daemons
// measure them. What a guest costs beside its load depends on the machine, and on
// what else the machine does just then.
type holding struct {
	*show
	shares   map[string]map[string]policy.Fraction // by host and guest
	loads    map[string]float64
	measured map[string]policy.Fraction
	trimmed  time.Time
}

// hold brings guests to shares, within a few points.
func (w *show) hold(shares map[string]map[string]policy.Fraction) *holding {
	w.Helper()
	h := &holding{show: w, shares: shares, loads: map[string]float64{}, measured: map[string]policy.Fraction{}}
	w.until(4*time.Minute, "the guests have the loads that they are to have", h.trim)
	w.Logf("measured %v with loads %v", h.measured, h.loads)
	return h
}

// trim corrects the loads of those that are off, when the last correction has had
// the time to show. It reports whether none was.
func (h *holding) trim() bool {
	h.Helper()
	const tolerance, gain = 0.035, 0.7
	if time.Since(h.trimmed) < 4*time.Second {
		return false
	}
	h.trimmed = time.Now()
	near := true
	for host, guests := range h.shares {
		capacity := h.status(host).Host.Capacity
		known := h.domains(host)
		for name, want := range guests {
			h.measured[name] = known[name].Demand.Share(policy.CPU, capacity)
			miss := float64(want - h.measured[name])
			if math.Abs(miss) <= tolerance {
				continue
			}
			near = false
			h.loads[name] = min(100, max(0, h.loads[name]+gain*miss*float64(capacity.CPU)/10))
			h.must(h.lab.Guest(name).SetLoad(h.ctx, h.host(host), int(h.loads[name])))
		}
	}
	return near
}

// reload replaces a part of configurations while the daemons run, of one host
// after the other.
func (w *show) reload(part, by string, hosts ...string) {
	w.Helper()
	for _, host := range hosts {
		d := w.daemons[host]
		was, err := os.ReadFile(d.Config())
		w.must(err)
		now := strings.Replace(string(was), part, by, 1)
		w.must(os.WriteFile(d.Config(), []byte(now), 0o600))
		before := len(d.Log())
		w.must(d.Signal(syscall.SIGHUP))
		w.until(20*time.Second, host+" has the new configuration", func() bool {
			return strings.Contains(d.Log()[before:], "configuration changed")
		})
	}
}
