//go:build lab

package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
)

// TestPostCopyFails: what post-copy may cost. It is on, a guest that does not
// converge switches over before all of its memory is there, and then the copy at
// the target dies: the guest is nowhere as a whole, and nobody can help it. The
// daemon says so, touches neither half, and begins nothing more before a person
// has put an end to it.
func TestPostCopyFails(t *testing.T) {
	s := slow()
	s.Libvirt += "post_copy = true\nauto_converge = false\n"
	r := newRig(t, lab.Options{Hosts: 2}, s)
	r.withMover(slowMover())
	r.ready()
	h1, h2 := r.host("h1"), r.host("h2")
	r.must(r.mover.SetDirty(r.ctx, h1, 16))
	r.heat()
	r.until(time.Minute, "the guest runs at the target, without all of its memory", func() bool {
		state, err := h2.Virsh(r.ctx, "domstate --reason mover")
		return err == nil && strings.Contains(state, "running (post-copy)")
	})
	began := time.Now()
	r.must(h2.SignalQEMU("mover", syscall.SIGKILL))
	r.until(time.Minute, "h1 calls for a person", func() bool {
		o, open := r.open()
		return open && o.Alarm != policy.OK && o.Alarm != policy.NotLocated && r.status("h1").Hold == policy.FrozenHost
	})
	t.Logf("h1 called for a person %.1f s after that", time.Since(began).Seconds())
	r.until(time.Minute, "h2 is frozen, too", func() bool { return r.status("h2").Hold == policy.FrozenHost })
	t.Logf("h2 was frozen %.1f s after that", time.Since(began).Seconds())

	untouched := func() {
		t.Helper()
		o, open := r.open()
		if !open || o.Alarm != policy.PausedAtSource {
			t.Errorf("open: %t, %+v; want the alarm %s", open, o, policy.PausedAtSource)
		}
		if s := r.status("h1"); !s.State.Flags.Has(policy.Frozen) || s.Hold != policy.FrozenHost {
			t.Errorf("h1 holds because of %s, flags %v; want it frozen", s.Hold, s.State.Flags)
		}
		if s := r.status("h2"); s.Hold != policy.FrozenHost || len(s.Alarms) != 1 || s.Alarms[0].Name != "mover" || s.Alarms[0].FromName != "h1" {
			t.Errorf("h2 holds because of %s, alarms %+v; want it frozen for the mover of h1", s.Hold, s.Alarms)
		}
		state, err := h1.Virsh(r.ctx, "domstate --reason mover")
		r.must(err)
		if !strings.Contains(state, "paused (post-copy failed)") {
			t.Errorf("the half at the source is %s", strings.TrimSpace(state))
		}
	}
	untouched()
	time.Sleep(5 * time.Second) // in which something might be done about it
	untouched()
	if n := len(r.ended()); n != 0 {
		t.Errorf("%d operations have ended", n)
	}

	// A person gives the half that is left up, and boots the guest again.
	_, err := h1.Virsh(r.ctx, "destroy mover")
	r.must(err)
	r.until(time.Minute, "the operation is closed, and both hosts go on", func() bool {
		return len(r.ended()) > 0 && !r.status("h1").State.Flags.Has(policy.Frozen) && !r.status("h2").State.Flags.Has(policy.Frozen)
	})
	o := r.ended()[len(r.ended())-1]
	t.Logf("the journal says: %s, %s %s", o.Result, o.Reason.Text(), o.Detail)
	if o.Result != policy.Failed {
		t.Errorf("the journal says that it has %s", o.Result)
	}
	r.pause(true)
	_, err = h1.Virsh(r.ctx, "start mover")
	r.must(err)
	r.must(r.mover.WaitBooted(r.ctx))
}
