//go:build lab

package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
)

// TestCrashPoints: the daemons are killed by SIGKILL at every step that the
// journal knows, the moment its record is on disk and before anything else
// happens: the source's, the target's, and both. They start again and find out
// what has become of the migration. In the end the guest runs on the target,
// having never stopped, and every attempt is in the journal as it really ended.
func TestCrashPoints(t *testing.T) {
	r := newRig(t, lab.Options{Hosts: 2}, patient())
	r.withMover(lab.GuestSpec{Name: "mover"})

	// The phases of a move that goes well.
	for _, step := range []string{"intent", "reserved", "started", "done"} {
		crash, stop := trap{"h1", "VIRTBALANCED_CRASH=" + step}, trap{"h1", "VIRTBALANCED_STOP=" + step}
		r.act("source at "+step, func(r *rig) {
			watch := r.watch()
			r.heat()
			r.dies("h1")
			r.restart("h1")
			r.relieved(watch)
		}, crash)
		r.act("both at "+step, func(r *rig) {
			watch := r.watch()
			r.heat()
			r.dies("h1")
			r.must(r.daemons["h2"].Kill(r.ctx))
			r.restart("h1", "h2")
			r.relieved(watch)
		}, crash)
		r.act("target at "+step, func(r *rig) {
			watch := r.watch()
			r.heat()
			r.stops("h1")
			r.must(r.daemons["h2"].Kill(r.ctx))
			r.must(r.daemons["h1"].Signal(syscall.SIGCONT))
			r.until(time.Minute, "the source has come as far as it can alone", func() bool {
				if o, open := r.open(); open && step == "reserved" {
					return o.Phase == "unknown" // once is enough to wait for that
				}
				on, err := r.lab.RunningOn(r.ctx, r.mover.Name)
				return len(r.ended()) > 0 || err == nil && on == r.host("h2")
			})
			r.restart("h2")
			r.relieved(watch)
		}, stop)
	}
	// What the target does for a move.
	for _, step := range []string{"granted", "arrived", "finished"} {
		r.act("target when "+step, func(r *rig) {
			watch := r.watch()
			r.heat()
			r.dies("h2")
			r.restart("h2")
			r.relieved(watch)
		}, trap{"h2", "VIRTBALANCED_CRASH=" + step})
	}
	r.ready()
}

// dies waits until a daemon has ended.
func (r *rig) dies(host string) {
	r.Helper()
	r.until(time.Minute, "the daemon dies", func() bool {
		select {
		case <-r.daemons[host].Done():
			return true
		default:
			return false
		}
	})
}

// stops waits until a daemon has stopped itself.
func (r *rig) stops(host string) {
	r.Helper()
	r.until(time.Minute, "the daemon stops", func() bool {
		state, err := r.host(host).Exec(r.ctx, "ps", "-C", "virtbalanced", "-o", "stat=")
		r.must(err)
		return strings.HasPrefix(state, "T")
	})
}
