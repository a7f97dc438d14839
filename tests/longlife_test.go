package tests

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// The watchdog is fed by the control loop: a libvirt that hangs is no reason to
// kill the daemon, a loop that does not come round is.
func TestOnlyAStuckLoopStarvesTheWatchdog(t *testing.T) {
	inFleet(t, hosts(3), func(f *fleet) {
		time.Sleep(settled)
		h1 := f.host("h1")
		alive := func() bool { return h1.daemon().Alive(time.Now()) }
		if err := f.world.Do(fake.Action{Do: fake.LibvirtHang, Host: "h1"}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(time.Minute)
			if !alive() {
				t.Fatal("counts as dead while libvirt hangs")
			}
		}
		if flags := h1.self().Flags; !flags.Has(policy.Blind) {
			t.Errorf("nobody is told that it sees nothing: %v", flags)
		}
		if err := f.world.Do(fake.Action{Do: fake.LibvirtUp, Host: "h1"}); err != nil {
			t.Fatal(err)
		}
		f.eventually(3*time.Minute, "h1 sees again", func() bool { return !h1.self().Flags.Has(policy.Blind) })

		release := h1.decisions.block()
		f.eventually(3*time.Minute, "a loop that is stuck counts as dead", func() bool { return !alive() })
		release()
		f.eventually(3*time.Minute, "one that goes on counts as alive", alive)
	})
}
