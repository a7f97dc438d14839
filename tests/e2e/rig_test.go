//go:build lab

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// rig is a show that is played again and again: a guest, the mover, is on h1
// beside a pinned one, the heater. When the heater is turned up, h1 is
// overloaded and the mover is moved to h2, which is empty; it is all the same
// to the rig how often that has to be tried. Afterwards all is put back.
type rig struct {
	*show
	mover, heater *lab.Guest
	// known are the operations of earlier acts.
	known map[policy.OpID]bool
}

// The guests' loads, in percent of a core, of which a host has 80. Cold, h1 is
// at a fifth of its capacity; hot, at all of it, and still above the rig's
// high mark on a machine that gives its guests half of what they want. The mover
// is small, because what it waits for on a full host counts as its demand.
const (
	rigCapacity = 80
	moverLoad   = 10
	heaterCold  = 5
	heaterHot   = 100
)

// patient are settings with which one failure does not keep the next attempt
// waiting for longer than a test can.
func patient() stage.Settings {
	return stage.Settings{
		TimeConstant: time.Second, Over: 2, Window: 3,
		Settle: time.Second, Cooldown: time.Second, RefusedBackoff: time.Second,
		Policy: "low = 10\nreceive = 55\nstop = 58\nhigh = 60\ncooldown_max = \"1s\"\nfailed_backoff = \"1s\"\nbreaker_failures = 0\n",
		Peer:   "reserve_ttl = \"5s\"\n",
	}
}

// newRig builds the hosts with the heater on h1.
func newRig(t *testing.T, o lab.Options, s stage.Settings) *rig {
	t.Helper()
	o.Capacity = rigCapacity
	r := &rig{show: newShow(t, o, s), known: map[policy.OpID]bool{}}
	r.pause(true)
	r.heater = r.guest("h1", lab.GuestSpec{
		Name: "heater", Load: heaterCold, Persistent: true,
		Metadata: `<vb:domain xmlns:vb="https://virtbalance.org/domain/1"><vb:pin/></vb:domain>`,
	})
	return r
}

// withMover puts a new mover on h1.
func (r *rig) withMover(s lab.GuestSpec) {
	r.Helper()
	s.Load, s.Persistent, s.Autostart = moverLoad, true, true
	r.mover = r.guest("h1", s)
}

// pause keeps h1 from moving anything, or lets it: starting guests and moving
// them by hand is load, too.
func (r *rig) pause(paused bool) {
	r.Helper()
	r.must(r.daemons["h1"].Client.SetPaused(r.ctx, paused))
}

// trap is where a daemon is to end or stop by itself: see balancer's failpoint.
type trap struct{ host, variable string }

// act is a subtest that begins with both hosts calm and the mover on h1, where
// balancing is paused until heat. The daemons for which there are traps have
// been started anew with them. After it all is put back. If it fails, nobody
// knows what state the hosts are in, and the acts after it are not played.
func (r *rig) act(name string, f func(r *rig), traps ...trap) {
	r.Helper()
	played := r.show.act(name, func(w *show) {
		inner := &rig{show: w, mover: r.mover, heater: r.heater, known: r.known}
		for _, t := range traps {
			inner.must(inner.daemons[t.host].Kill(inner.ctx))
			inner.must(inner.daemons[t.host].Launch(t.variable))
		}
		inner.ready()
		f(inner)
		inner.putBack()
	})
	if !played {
		r.FailNow()
	}
}

// ready waits until nothing of an earlier act is left to see: no operation, no
// promise, no alarm, no load.
func (r *rig) ready() {
	r.Helper()
	r.allHearAll()
	r.until(time.Minute, "nothing is left of what was before", func() bool {
		s1 := r.status("h1")
		d, known := r.domains("h1")[r.mover.Name]
		free := known && d.Obstacle == policy.OK && len(s1.Operations) == 0 &&
			s1.Hold == policy.NotOverloaded && s1.State.Flags == policy.Paused
		for host := range r.daemons {
			s := r.status(host)
			free = free && s.State.Promised == (policy.Load{}) && (host == "h1" || s.State.Flags == 0)
		}
		return free
	})
	for _, o := range r.history("h1") {
		r.known[o.ID] = true
	}
}

// heat overloads h1, and lets it do something about that.
func (r *rig) heat() {
	r.Helper()
	r.pause(false)
	r.must(r.heater.SetLoad(r.ctx, r.host("h1"), heaterHot))
}

// ended are the operations of this act that have ended, newest first, but for
// those that h2 had no room for: on a machine that is busy with something else
// that comes and goes.
func (r *rig) ended() []api.Operation {
	var ended []api.Operation
	ops, err := r.daemons["h1"].Client.History(r.ctx, 100)
	if err != nil {
		return nil // the daemon is down
	}
	for _, o := range ops {
		if !r.known[o.ID] && o.Reason != policy.HostOverReceive {
			ended = append(ended, o)
		}
	}
	return ended
}

// open is the operation that is under way, if any.
func (r *rig) open() (api.Operation, bool) {
	s, err := r.daemons["h1"].Client.Status(r.ctx)
	if err != nil || len(s.Operations) == 0 {
		return api.Operation{}, false
	}
	return s.Operations[0], true
}

// relieved waits until the mover has come to h2, however often that is tried,
// and checks what has to be true then, whatever has happened before: there is
// one copy of it and one definition, with autostart and a record of its moves;
// and what the journal says of each attempt fits with that. It returns the
// attempts, the first one first.
func (r *rig) relieved(watch *lab.Watch) []api.Operation {
	r.Helper()
	r.until(2*time.Minute, "the mover has come to h2", func() bool {
		ended := r.ended()
		_, open := r.open()
		return !open && len(ended) > 0 && ended[0].Result == policy.Succeeded
	})
	attempts := r.ended()
	slices.Reverse(attempts)
	for i, o := range attempts {
		r.Logf("attempt %d: %s, %s %s", i+1, o.Result, o.Reason.Text(), o.Detail)
		if o.Move.Name != r.mover.Name || string(o.Move.To) != r.host("h2").UUID {
			r.Errorf("%s was moved to %s", o.Move.Name, o.Move.To)
		}
		if i < len(attempts)-1 && o.Result == policy.Succeeded {
			r.Errorf("attempt %d of %d is said to have succeeded already", i+1, len(attempts))
		}
	}
	r.isAt("h2")
	r.until(time.Minute, "autostart and the record of moves are carried over", func() bool {
		info, err := r.host("h2").Virsh(r.ctx, "dominfo "+r.mover.Name)
		r.must(err)
		definition, err := r.host("h2").Virsh(r.ctx, "dumpxml --inactive "+r.mover.Name)
		r.must(err)
		return containsLine(info, "Autostart:", "enable") && containsLine(definition, "<virtbalance:moved", r.host("h1").UUID)
	})
	r.unbroken(watch)
	if n := len(r.history("h2")); n != 0 {
		r.Errorf("h2 made %d moves", n)
	}
	return attempts
}

// halfWay heats h1 and waits until the mover is on its way, its memory partly
// copied.
func (r *rig) halfWay() {
	r.Helper()
	r.heat()
	r.until(time.Minute, "the mover is half-way across", func() bool {
		o, open := r.open()
		return open && o.Phase == "started" && o.Done > 0.1
	})
}

// isAt checks that the mover runs on one host and is known on no other.
func (r *rig) isAt(host string) {
	r.Helper()
	where := r.lab.Where(r.ctx, r.mover.Name)
	if len(where) != 1 || where[0].Host.Name != host || where[0].State != "running" || !where[0].Persistent || where[0].QEMUs != 1 || where[0].Err != nil {
		r.Errorf("%s is at %+v, want it running and defined on %s alone", r.mover.Name, where, host)
	}
}

// watch begins to watch the mover.
func (r *rig) watch() *lab.Watch {
	r.Helper()
	w, err := r.mover.Watch(r.ctx)
	r.must(err)
	return w
}

// unbroken checks that a watched guest went on all the time.
func (r *rig) unbroken(w *lab.Watch) {
	r.Helper()
	record, err := w.Stop()
	r.must(err)
	r.Logf("the guest: %s", record)
	if err := record.Err(); err != nil {
		r.Errorf("the guest did not go on undisturbed: %v", err)
	}
}

// putBack cools h1 down and takes the mover back there.
func (r *rig) putBack() {
	r.Helper()
	r.pause(true)
	r.must(r.heater.SetLoad(r.ctx, r.host("h1"), heaterCold))
	on, err := r.lab.RunningOn(r.ctx, r.mover.Name)
	r.must(err)
	if h1 := r.host("h1"); on != h1 {
		_, err := r.mover.Migrate(r.ctx, on, h1)
		r.must(err)
		_, err = h1.Virsh(r.ctx, "autostart "+r.mover.Name)
		r.must(err)
	}
}
