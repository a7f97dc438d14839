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

	// Power is lost at the target, and with it all that had arrived there.
	r.act("target loses power", func(r *rig) {
		watch := r.watch()
		r.halfWay()
		began := time.Now()
		r.must(h2.PowerOff(r.ctx))
		r.logNotice(began)
		healed := time.Now()
		r.must(h2.PowerOn(r.ctx))
		r.restart("h2")
		r.failsFirst(healed, watch)
	})

	// A network that delays and loses packets makes a migration slow, no more.
	r.act("network of 20 ms that loses a packet in a hundred", func(r *rig) {
		shaping, err := h2.Shape(lab.Shape{Delay: 10 * time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.01, Seed: 1})
		r.must(err)
		watch := r.watch()
		r.heat()
		attempts := r.relieved(watch)
		r.must(shaping.Stop())
		if len(attempts) != 1 {
			r.Errorf("%d attempts, want one", len(attempts))
		}
		r.Logf("it took %.1f s", attempts[0].DurationSeconds)
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

	// The guest dies on its way. That is not the migration's fault, and nothing is
	// left of it at the target. Nobody boots it again but who wants to.
	r.act("QEMU at the source is killed", func(r *rig) {
		r.halfWay()
		r.must(h1.SignalQEMU("mover", syscall.SIGKILL))
		r.until(time.Minute, "the attempt ends", func() bool { return len(r.ended()) > 0 })
		if first := r.ended()[0]; first.Result != policy.Failed {
			r.Errorf("the attempt: %s because of %s (%s)", first.Result, first.Reason, first.Detail)
		}
		r.pause(true)
		time.Sleep(5 * time.Second) // for whatever else would come
		where := r.lab.Where(r.ctx, "mover")
		if len(where) != 1 || where[0].Host != h1 || where[0].State != "shut off" || where[0].QEMUs != 0 {
			r.Errorf("mover is at %+v, want it defined and shut off on h1 alone", where)
		}
		if s := r.status("h1"); len(s.Operations) != 0 || s.State.Flags.Has(policy.Frozen) {
			r.Errorf("h1 goes on about it: %+v, flags %v", s.Operations, s.State.Flags)
		}
		_, err := h1.Virsh(r.ctx, "start mover")
		r.must(err)
		r.must(r.mover.WaitBooted(r.ctx))
	})
}

// TestRefused: a host that must not take a guest is not sent it, and says why.
// The guest notices nothing.
func TestRefused(t *testing.T) {
	r := newRig(t, lab.Options{Hosts: 2}, patient())
	r.withMover(lab.GuestSpec{
		Name: "mover", MemoryMiB: 64, FillMiB: 16,
		Extra: "<cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model><feature policy='require' name='movbe'/></cpu>",
	})
	h1, h2 := r.host("h1"), r.host("h2")
	r.act("another CPU there", func(r *rig) {
		restore, err := h2.LoseCPUFeature(r.ctx, "movbe")
		r.must(err)
		watch := r.watch()
		r.heat()
		r.until(time.Minute, "an attempt is refused for that", func() bool {
			return slices.ContainsFunc(r.ended(), func(o api.Operation) bool {
				return o.Reason == policy.CPUIncompatible && strings.Contains(o.Detail, "movbe")
			})
		})
		r.isAt("h1")
		r.must(restore())
		r.relieved(watch)
	})
	r.act("known there already", func(r *rig) {
		definition, err := h1.Virsh(r.ctx, "dumpxml --inactive mover")
		r.must(err)
		file := h2.StateDir() + "/mover.xml"
		r.must(os.WriteFile(file, []byte(definition), 0o600))
		_, err = h2.Virsh(r.ctx, "define "+file)
		r.must(err)
		watch := r.watch()
		r.heat()
		r.until(time.Minute, "an attempt is refused for that", func() bool {
			return slices.ContainsFunc(r.ended(), func(o api.Operation) bool { return o.Reason == policy.AlreadyThere })
		})
		r.isKnownAt(h1, h2)
		_, err = h2.Virsh(r.ctx, "undefine mover")
		r.must(err)
		r.relieved(watch)
	})
	r.act("no memory there", func(r *rig) {
		big := r.guest("h2", lab.GuestSpec{Name: "big", MemoryMiB: 840, FillMiB: 820})
		watch := r.watch()
		r.heat()
		r.until(time.Minute, "h1 knows why h2 does not take it", func() bool {
			e, err := r.daemons["h1"].Client.Explain(r.ctx, "mover")
			r.must(err)
			return r.status("h1").Hold == policy.NoFeasibleHost &&
				slices.ContainsFunc(e.Hosts, func(h api.HostExplanation) bool { return h.Reason == policy.HostMemory })
		})
		if n := len(r.ended()); n != 0 {
			r.Errorf("%d attempts", n)
		}
		r.must(big.Shutdown(r.ctx, h2))
		r.relieved(watch)
	})
}

// TestPartition: two of three hosts go on balancing when the network splits; the
// third, which cannot know what they do, begins nothing until it is healed.
func TestPartition(t *testing.T) {
	s := patient()
	w := newShow(t, lab.Options{Hosts: 3}, s)
	hot := map[string]*lab.Guest{}
	for _, host := range []string{"h1", "h2"} {
		w.must(w.daemons[host].Client.SetPaused(w.ctx, true))
		w.guest(host, lab.GuestSpec{Name: "still" + host, Load: 5, Persistent: true})
		hot[host] = w.guest(host, lab.GuestSpec{Name: "hot" + host, Load: 5, Persistent: true})
	}
	split := time.Now()
	w.must(w.lab.Partition([]*lab.Host{w.host("h1")}, []*lab.Host{w.host("h2"), w.host("h3")}))
	for _, host := range []string{"h1", "h2"} {
		w.must(hot[host].SetLoad(w.ctx, w.host(host), 40))
		w.must(w.daemons[host].Client.SetPaused(w.ctx, false))
	}
	w.until(time.Minute, "h1 says that it is cut off", func() bool {
		hold := w.status("h1").Hold
		return hold == policy.Alone || hold == policy.Minority
	})
	t.Logf("h1 held back %.1f s after the split", time.Since(split).Seconds())
	w.until(time.Minute, "h2 is relieved", func() bool { return len(succeeded(w, "h2")) > 0 })
	if moves := w.history("h1"); len(moves) != 0 {
		t.Errorf("h1 moved something while it was alone: %+v", moves)
	}
	for _, g := range []string{"stillh1", "hoth1", "stillh2", "hoth2"} {
		if where := w.lab.Where(w.ctx, g); len(where) != 1 || where[0].QEMUs != 1 {
			t.Errorf("%s is at %+v", g, where)
		}
	}
	healed := time.Now()
	w.must(w.lab.Heal())
	w.allHearAll()
	t.Logf("all heard from all %.1f s after the network was healed", time.Since(healed).Seconds())
	w.until(time.Minute, "h1 acts again", func() bool {
		hold := w.status("h1").Hold
		return hold != policy.Alone && hold != policy.Minority
	})
}

// isKnownAt checks that the mover runs on one host and is merely defined on
// another.
func (r *rig) isKnownAt(runs, defined *lab.Host) {
	r.Helper()
	for _, p := range r.lab.Where(r.ctx, r.mover.Name) {
		if want := map[*lab.Host]string{runs: "running", defined: "shut off"}[p.Host]; p.State != want {
			r.Errorf("the mover is %s on %s, want %q", p.State, p.Host.Name, want)
		}
	}
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
