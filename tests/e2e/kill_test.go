//go:build lab

package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// slow are settings with which a migration takes so long that things can happen
// meanwhile, and slowMover a guest that takes some six seconds with them.
func slow() stage.Settings {
	s := patient()
	s.Libvirt = "bandwidth_mib = 6\n"
	return s
}

func slowMover() lab.GuestSpec {
	return lab.GuestSpec{Name: "mover", MemoryMiB: 64, FillMiB: 32}
}

// TestKilledInMidMigration: a daemon, both, libvirtd on either side or the
// half-made copy on the target is killed by SIGKILL while a guest is half-way
// across, and started again some seconds later. The guest never stops, and in
// the end exactly one copy runs. Daemons are not needed for a migration to go
// on: the attempt succeeds, and the journal says so although nobody was there.
// Without libvirtd it fails; the journal says that, and the next decision has
// the guest moved.
func TestKilledInMidMigration(t *testing.T) {
	r := newRig(t, lab.Options{Hosts: 2}, slow())
	r.withMover(slowMover())
	for _, victim := range []struct {
		name  string
		kill  func(r *rig)
		start func(r *rig)
		// goesOn: the migration does.
		goesOn bool
	}{
		{
			"daemon of the source",
			func(r *rig) { r.must(r.daemons["h1"].Kill(r.ctx)) },
			func(r *rig) { r.restart("h1") }, true,
		},
		{
			"daemon of the target",
			func(r *rig) { r.must(r.daemons["h2"].Kill(r.ctx)) },
			func(r *rig) { r.restart("h2") }, true,
		},
		{
			"both daemons",
			func(r *rig) { r.must(r.daemons["h1"].Kill(r.ctx)); r.must(r.daemons["h2"].Kill(r.ctx)) },
			func(r *rig) { r.restart("h1", "h2") }, true,
		},
		{
			"libvirtd of the source",
			func(r *rig) { r.must(r.host("h1").KillLibvirtd(r.ctx)) },
			func(r *rig) { r.must(r.host("h1").StartLibvirtd(r.ctx)) }, false,
		},
		{
			"libvirtd of the target",
			func(r *rig) { r.must(r.host("h2").KillLibvirtd(r.ctx)) },
			func(r *rig) { r.must(r.host("h2").StartLibvirtd(r.ctx)) }, false,
		},
		{
			"QEMU at the target",
			func(r *rig) { r.must(r.host("h2").SignalQEMU("mover", syscall.SIGKILL)) },
			func(*rig) {}, false,
		},
	} {
		r.act(victim.name, func(r *rig) {
			watch := r.watch()
			r.halfWay()
			began := time.Now()
			victim.kill(r)
			if !victim.goesOn {
				r.logNotice(began)
			}
			time.Sleep(2 * time.Second) // an outage that lasts, not a hiccup
			victim.start(r)
			attempts := r.relieved(watch)
			if first := attempts[0].Result; victim.goesOn && first != policy.Succeeded || !victim.goesOn && first != policy.Failed {
				r.Errorf("the journal says of the attempt that was disturbed: %s", first)
			}
		})
	}
	r.ready()
}

// logNotice waits until libvirt on the source has given a migration up, or is
// not there itself, and logs how long that took.
func (r *rig) logNotice(began time.Time) {
	r.Helper()
	r.until(time.Minute, "libvirt on the source gives the migration up", func() bool {
		job, err := r.host("h1").Virsh(r.ctx, "domjobinfo mover")
		return err != nil || containsLine(job, "Job type:", "None")
	})
	r.Logf("libvirt on the source gave up after %.1f s", time.Since(began).Seconds())
}
