//go:build lab

package e2e

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// A load that leaves its host calm whatever else is there, and a share of a
// host's CPU that is above stage's high mark with some room for error.
const (
	idle      = 1
	wellAbove = 0.88
)

// TestRelief is the main job: a host is driven over its high mark, one of its
// guests is migrated to a host with room, and the guest never stops.
func TestRelief(t *testing.T) {
	// Without one of the hot guests h1 is well below its stop mark. One of them fits
	// on h3, none on h2.
	s := stage.Settings{Policy: "low = 10\nreceive = 58\nstop = 60\nhigh = 65\n"}
	w := newShow(t, lab.Options{Hosts: 3}, s)
	// Starting guests is load, too.
	w.must(w.daemons["h1"].Client.SetPaused(w.ctx, true))
	var hot []*lab.Guest
	for _, name := range []string{"a1", "b1"} {
		hot = append(hot, w.guest("h1", lab.GuestSpec{Name: name, Load: idle, Persistent: true, Autostart: true}))
	}
	cold := w.guest("h1", lab.GuestSpec{Name: "cold", Load: idle, Persistent: true})
	w.guest("h2", lab.GuestSpec{Name: "a2", Load: 25, Persistent: true})
	w.guest("h3", lab.GuestSpec{Name: "a3", Load: 5, Persistent: true})

	// How long a bare migration takes here and now.
	bare, err := hot[0].Migrate(w.ctx, w.lab.Host("h1"), w.lab.Host("h2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hot[0].Migrate(w.ctx, w.lab.Host("h2"), w.lab.Host("h1")); err != nil {
		t.Fatal(err)
	}

	// A bare migration does not carry autostart over; the daemon's does.
	if _, err := w.lab.Host("h1").Virsh(w.ctx, "autostart", "a1"); err != nil {
		t.Fatal(err)
	}

	w.until(time.Minute, "h1 is calm", w.calm)
	watches := map[string]*lab.Watch{}
	for _, g := range append(slices.Clone(hot), cold) {
		watch, err := g.Watch(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		watches[g.Name] = watch
	}
	r := relieve(w, hot, cold)
	o := r.move

	took := o.Ended.Sub(firstAbove(t, r.before, s))
	for _, refused := range w.history("h1")[1:] {
		if refused.Opened.Before(r.began) {
			break
		}
		// The machine was busy with something else; since then it is tried anew.
		t.Logf("refused before: %s to %s: %s", refused.Move.Name, refused.ToName, refused.Reason.Text())
		took = min(took, o.Ended.Sub(refused.Ended))
	}
	if o.Result != policy.Succeeded {
		t.Fatalf("ended as %s because %s: %s", o.Result, o.Reason.Text(), o.Detail)
	}
	if o.Move.Name == cold.Name {
		t.Errorf("%s was moved, which relieves least", o.Move.Name)
	}
	limit := s.Hold() + 2*time.Second + bare*3/2
	t.Logf("%s moved to %s, %.1f s after the first sample above the mark (limit %s; a bare migration takes %s); downtime %.0f ms",
		o.Move.Name, o.ToName, took.Seconds(), limit, bare, o.DowntimeSeconds*1000)
	if took > limit {
		t.Errorf("relief after %s, more than %s", took, limit)
	}
	where := w.lab.Where(w.ctx, o.Move.Name)
	if len(where) != 1 || where[0].Host.Name != o.ToName || where[0].State != "running" || !where[0].Persistent {
		t.Errorf("afterwards %s is at %+v, want it running and defined on %s alone", o.Move.Name, where, o.ToName)
	}
	w.until(20*time.Second, "autostart is carried over", func() bool {
		out, err := where[0].Host.Virsh(w.ctx, "dominfo", o.Move.Name)
		return err == nil && containsLine(out, "Autostart:", "enable")
	})

	record, err := watches[o.Move.Name].Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the moved guest: %s", record)
	if err := record.Err(); err != nil {
		t.Errorf("the guest did not go on undisturbed: %v", err)
	}

	w.until(time.Minute, "h1 is below its high mark", func() bool {
		return w.status("h1").State.Band < policy.BandHigh
	})
	// It comes to rest; with half of the load, so that it does even where the machine
	// lets guests have more from now on.
	for _, g := range hot {
		on, err := w.lab.RunningOn(w.ctx, g.Name)
		w.must(err)
		w.must(g.SetLoad(w.ctx, on, r.load/2))
	}
	time.Sleep(10 * time.Second)
	for host := range w.daemons {
		if n := len(w.madeSince(host, r.began)); host != "h1" && n != 0 || host == "h1" && n != 1 {
			t.Errorf("%s made %d moves", host, n)
		}
	}
}

// relief is a move that has relieved h1 of one of its hot guests.
type relief struct {
	began  time.Time  // the attempt
	load   int        // of each hot guest
	before api.Status // what h1 said last before the move
	move   api.Operation
}

// relieve overloads h1 by its hot guests, and waits until it has moved one. h1 is
// left with nothing paused.
//
// How much of the CPU guests get changes with what else the machine does. An
// attempt after which h1 is not overloaded, or so full that what its guests wait
// for makes them too large for any host, or its hot guests fit nowhere because
// the others are busy, is no attempt: the loads are found anew.
func relieve(w *show, hot []*lab.Guest, cold *lab.Guest) relief {
	w.Helper()
	// As far above the high mark as below all of the CPU, where what guests wait for
	// counts as load, too.
	const overloaded, full = 0.80, 0.95
	h1 := w.daemons["h1"].Client
	for attempt := 1; ; attempt++ {
		r := relief{load: loadFor(w, "h1", overloaded, hot...)}
		w.until(time.Minute, "h1 is calm again", w.calm)
		r.began = time.Now()
		w.must(h1.SetPaused(w.ctx, false))
		for _, g := range hot {
			w.must(g.SetLoad(w.ctx, w.lab.Host("h1"), r.load))
		}
		made := func() []api.Operation { return w.madeSince("h1", r.began) }
		underway := false
		for len(made()) == 0 && (underway || time.Since(r.began) < 30*time.Second) {
			now := w.status("h1")
			if underway = len(now.Operations) > 0; !underway && len(made()) == 0 {
				r.before = now
			}
			time.Sleep(200 * time.Millisecond)
		}
		w.must(h1.SetPaused(w.ctx, true))
		ended, ahead, hold := made(), r.before.State.Ahead, r.before.Hold
		switch {
		case len(ended) > 0 && (ended[0].Move.Name != cold.Name || ahead < full && !w.nowhere(len(hot), ended[0].Move)):
			w.must(h1.SetPaused(w.ctx, false))
			r.move = ended[0]
			return r
		case attempt == 4:
			w.Fatalf("h1 is not relieved: %s", r.before.HoldText)
		case len(ended) > 0:
			w.Logf("attempt %d: h1 was heading for %s, with which only %s fits elsewhere", attempt, ahead, cold.Name)
			_, err := cold.Migrate(w.ctx, w.lab.Host(ended[0].ToName), w.lab.Host("h1"))
			w.must(err)
		case hold == policy.NotOverloaded || hold == policy.Sustaining || hold == policy.NoFeasibleHost:
			w.Logf("attempt %d: h1 was heading for %s: %s", attempt, ahead, r.before.HoldText)
		default:
			w.Fatalf("h1 is not relieved, and says: %s", r.before.HoldText)
		}
	}
}

// nowhere reports whether h1 says that so many of its guests fitted on no host when
// it decided on the move.
func (w *show) nowhere(guests int, m policy.Move) bool {
	w.Helper()
	fleet, err := w.daemons["h1"].Client.Fleet(w.ctx, 100)
	w.must(err)
	for _, h := range fleet.Hosts {
		if !h.Self || h.Report == nil {
			continue
		}
		for _, d := range h.Report.Decisions { // the newest first
			if d.Hold != policy.OK || d.Move == nil || d.Move.Domain != m.Domain {
				continue
			}
			for _, stay := range d.Stay {
				if stay.Reason == policy.NoFeasibleHost && stay.Domains >= guests {
					return true
				}
			}
			return false
		}
	}
	return false
}

// calm: nothing is to be done on h1.
func (w *show) calm() bool { return w.status("h1").Hold == policy.NotOverloaded }

// madeSince are the moves of a host that were opened since then.
func (w *show) madeSince(host string, then time.Time) []api.Operation {
	return slices.DeleteFunc(w.made(host), func(o api.Operation) bool { return o.Opened.Before(then) })
}

// firstAbove is when the first of the samples was taken that make an overload, as
// the host says right before it acts: there may be some below the mark in between.
func firstAbove(t *testing.T, before api.Status, s stage.Settings) time.Time {
	t.Helper()
	first := -1
	for i, over := range before.Over {
		// By the next sample, the one that decides, the oldest is forgotten.
		if over && i < s.Samples()-1 {
			first = i
		}
	}
	if first < 0 {
		t.Fatalf("h1 acts, and no sample was above its mark: %v", before.Over)
	}
	return before.Sampled.Add(-time.Duration(first) * s.Every())
}

// loadFor finds the load of guests on a host, the same for each, with which the
// host uses the given share of its CPU, or little more: what a guest costs its
// host beside its load, a few percent or a dozen, and what it gets of what it
// wants, depends on the machine. Nothing may be moved meanwhile, and afterwards
// the guests are idle.
func loadFor(w *show, host string, share policy.Fraction, guests ...*lab.Guest) int {
	w.Helper()
	// A percent of a core more for each of three guests is 8 points of the smallest
	// host.
	const less, more = 0.02, 0.08
	capacity, err := w.host(host).Capacity()
	w.must(err)
	set := func(load int) {
		for _, g := range guests {
			w.must(g.SetLoad(w.ctx, w.host(host), load))
		}
	}
	set(idle)
	defer set(idle)
	// Guests that boot are load, too.
	w.until(time.Minute, host+" is calm", func() bool { return w.cpu(host) < share*3/4 })
	load := idle
	for range 50 {
		missing := float64(share - w.cpu(host))
		if -more < missing && missing < less {
			return load
		}
		step := int(math.Round(0.7 * missing * float64(capacity) / float64(len(guests))))
		if step == 0 {
			step = int(math.Copysign(1, missing))
		}
		load = min(max(load+step, 0), 100)
		set(load)
		time.Sleep(4 * time.Second) // until it shows
	}
	w.Fatalf("no load brings %s to %s; the last, %d %%, brought it to %s", host, share, load, w.cpu(host))
	return 0
}
