//go:build lab

package e2e

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
)

// TestFaults: things break while a guest is half-way across. Whatever it is, the
// guest goes on where it is, one copy of it is left, the journal says how the
// attempt ended, and when all is well again the guest is moved after all. What
// is logged of each fault, docs/reliability.md cites.
func TestFaults(t *testing.T) {
	// Dead peers are noticed after 2 s x (3 + 1).
	r := newRig(t, lab.Options{Hosts: 2, KeepaliveInterval: 2 * time.Second, KeepaliveCount: 3}, slow())
	r.withMover(slowMover())
	h1, h2 := r.host("h1"), r.host("h2")

	// A cable that is put back in time costs the migration some seconds.
	r.act("cable out for 3 s", func(r *rig) {
		watch := r.watch()
		r.halfWay()
		r.must(h2.Cable(false))
		time.Sleep(3 * time.Second)
		r.must(h2.Cable(true))
		if attempts := r.relieved(watch); len(attempts) != 1 {
			r.Errorf("%d attempts, want the first to go on", len(attempts))
		}
	})

	// Without the cable both sides give up by themselves: the guest runs on at
	// the source, and what had arrived at the target is thrown away there. The
	// source cannot know that before it reaches the target again, so until then
	// the attempt is open and nothing is concluded.
	r.act("cable out", func(r *rig) {
		watch := r.watch()
		r.halfWay()
		began := time.Now()
		r.must(h2.Cable(false))
		r.logNotice(began)
		r.until(time.Minute, "the target has thrown its copy away", func() bool {
			return len(r.lab.Where(r.ctx, "mover")) == 1
		})
		r.isAt("h1")
		if n := len(r.ended()); n != 0 {
			r.Errorf("%d attempts are closed while the target cannot be asked", n)
		}
		healed := time.Now()
		r.must(h2.Cable(true))
		r.failsFirst(healed, watch)
	})

	// A host that hangs answers nothing and closes nothing.
	r.act("target frozen", func(r *rig) {
		watch := r.watch()
		r.halfWay()
		began := time.Now()
		r.must(h2.Freeze())
		r.logNotice(began)
		healed := time.Now()
		r.must(h2.Thaw())
		r.failsFirst(healed, watch)
	})

	// libvirtd hangs at the source; QEMU goes on without it as far as it can.
	r.act("libvirtd of the source hangs", func(r *rig) {
		watch := r.watch()
		r.halfWay()
		began := time.Now()
		r.signal("libvirtd", h1, syscall.SIGSTOP)
		r.until(time.Minute, "the target has thrown its copy away", func() bool {
			all, err := h2.Virsh(r.ctx, "list --all --name")
			r.must(err)
			return !strings.Contains(all, r.mover.Name)
		})
		r.Logf("libvirt on the target gave up after %.1f s", time.Since(began).Seconds())
		healed := time.Now()
		r.signal("libvirtd", h1, syscall.SIGCONT)
		r.failsFirst(healed, watch)
	})

	// An administrator cancels the migration: it is an abort, not a failure.
	r.act("cancelled by an administrator", func(r *rig) {
		watch := r.watch()
		r.halfWay()
		began := time.Now()
		_, err := h1.Virsh(r.ctx, "domjobabort mover")
		r.must(err)
		attempts := r.failsFirst(began, watch)
		if first := attempts[0]; first.Result != policy.Aborted || first.Reason != policy.Cancelled {
			r.Errorf("the attempt that was cancelled: %s because of %s", first.Result, first.Reason)
		}
	})

	// A guest that writes faster than the network carries never arrives. At the
	// deadline the migration is aborted, and the guest is none the worse.
	r.act("the guest does not converge", func(r *rig) {
		defer r.reconfigure("h1", "bandwidth_mib = 6\n", "bandwidth_mib = 6\nauto_converge = false\ndeadline_min = \"8s\"\ndeadline_factor = 1\n")()
		watch := r.watch()
		r.must(r.mover.SetDirty(r.ctx, h1, 16))
		r.heat()
		r.until(time.Minute, "the attempt ends", func() bool { return len(r.ended()) > 0 })
		first := r.ended()[0]
		r.Logf("aborted after %.1f s", first.DurationSeconds)
		if first.Result != policy.Aborted || first.Reason != policy.DeadlineExceeded {
			r.Errorf("the attempt that never ends: %s because of %s (%s)", first.Result, first.Reason, first.Detail)
		}
		r.must(r.mover.SetDirty(r.ctx, h1, 0))
		r.relieved(watch)
	})

	// Without libvirtd nothing is known of the guests, and nothing is begun; nor
	// is the host offered to others.
	r.act("libvirtd of the source is down", func(r *rig) {
		watch := r.watch()
		r.must(r.heater.SetLoad(r.ctx, h1, heaterHot))
		r.must(h1.KillLibvirtd(r.ctx))
		r.pause(false)
		r.until(time.Minute, "h1 says that it does not know", func() bool { return r.status("h1").Hold == policy.NoSample })
		r.until(time.Minute, "and tells the others so", func() bool {
			hosts, err := r.daemons["h2"].Client.Hosts(r.ctx)
			r.must(err)
			return slices.ContainsFunc(hosts, func(h api.Host) bool { return !h.Self && h.Flags.Has(policy.Blind) })
		})
		if n := len(r.ended()); n != 0 {
			r.Errorf("%d attempts without libvirtd", n)
		}
		r.must(h1.StartLibvirtd(r.ctx))
		if attempts := r.relieved(watch); len(attempts) != 1 {
			r.Errorf("%d attempts, want one", len(attempts))
		}
	})
	r.ready()
}

// failsFirst is relieved after a fault that the first attempt cannot survive.
func (r *rig) failsFirst(healed time.Time, watch *lab.Watch) []api.Operation {
	r.Helper()
	r.until(2*time.Minute, "the attempt ends", func() bool { return len(r.ended()) > 0 })
	r.Logf("the journal was closed %.1f s after the fault was over", time.Since(healed).Seconds())
	attempts := r.relieved(watch)
	if attempts[0].Result == policy.Succeeded {
		r.Errorf("the first attempt has succeeded")
	}
	return attempts
}

// signal sends a signal to a program on a host.
func (r *rig) signal(program string, h *lab.Host, sig syscall.Signal) {
	r.Helper()
	if n, err := h.SignalProgram(program, sig); err != nil || n == 0 {
		r.Fatalf("signal %d processes of %s on %s: %v", n, program, h.Name, err)
	}
}

// reconfigure replaces a part of a daemon's configuration and restarts it. It
// returns what undoes that.
func (r *rig) reconfigure(host, part, by string) (undo func()) {
	r.Helper()
	d := r.daemons[host]
	was, err := os.ReadFile(d.Config())
	r.must(err)
	set := func(text string) {
		r.must(os.WriteFile(d.Config(), []byte(text), 0o600))
		r.must(d.Kill(r.ctx))
		r.restart(host)
	}
	set(strings.Replace(string(was), part, by, 1))
	r.ready()
	return func() { set(string(was)) }
}
