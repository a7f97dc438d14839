package gossip_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/policy"
)

func TestBandChangeGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 12
		f := newFleet(t)
		f.grow(n, func(o *gossip.Options) { o.Interval = 20 * time.Second })
		f.within(soon, "all together", f.whole(n))
		h := f.hosts[n-1]
		h.Publish(busy(1000))
		f.within(soon, "the first state is known", f.hears(h.id, usesCPU(1000)))

		h.Publish(busy(2000))
		time.Sleep(6 * time.Second) // the distance that early digests keep
		if f.hears(h.id, usesCPU(2000))() {
			t.Error("a usual change did not wait for the interval")
		}
		hot := busy(3000)
		hot.Band = policy.BandCritical
		h.Publish(hot)
		took := f.within(3*time.Second, "a change of band is known to nearly all", f.nearlyAllHear(h.id, usesCPU(3000)))
		t.Logf("%d hosts know of a change of band after %s, the interval is %s", n, took, h.Stats().Interval)
		if s := h.Stats(); s.Early != 1 {
			t.Errorf("%d early digests, want 1", s.Early)
		}

		draining := hot
		draining.Flags = policy.Draining
		time.Sleep(6 * time.Second)
		h.Publish(draining)
		f.within(3*time.Second, "a change of flags is known to nearly all", f.nearlyAllHear(h.id, func(o policy.Host) bool { return o.Flags.Has(policy.Draining) }))

		// A host that flutters about a mark every 100 ms for a minute.
		before := h.Stats().Sent
		for i := range 600 {
			s := hot
			s.Band = []policy.Band{policy.BandHold, policy.BandHigh}[i%2]
			h.Publish(s)
			time.Sleep(100 * time.Millisecond)
		}
		if sent := h.Stats().Sent - before; sent < 5 || sent > 13 {
			t.Errorf("%d digests in a minute of fluttering, want one in 5 s", sent)
		}
		f.end()
	})
}

func TestFactsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.grow(5)
		f.publish(busy(1000))
		f.within(soon, "all know all", f.seen(4))
		h := f.hosts[2]
		changed := options(3).Self
		changed.LibvirtVersion, changed.ID = 12000000, "another"
		if err := h.SetFacts(changed); err != nil {
			t.Fatal(err)
		}
		f.within(soon, "the new facts are known, and the state is kept", f.hears(h.id, func(o policy.Host) bool {
			return o.LibvirtVersion == 12000000 && o.Used.CPU == 1000
		}))
		changed.Name = "two\nlines"
		if err := h.SetFacts(changed); err == nil {
			t.Error("facts that cannot be told were taken")
		}
		f.end()
	})
}

func TestRekeyWithoutDowntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 8
		f := newFleet(t)
		f.grow(n)
		f.publish(busy(1))
		f.within(soon, "all know all", f.seen(n-1))

		cpu := policy.MilliCPU(1)
		everywhere := func(keys ...[]byte) {
			t.Helper()
			for _, h := range f.hosts {
				if err := h.Rekey(keys); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // host by host, as an operator does
				cpu++
				f.publish(busy(cpu))
			}
			f.within(soon, "news pass", func() bool {
				for _, h := range f.hosts {
					if !f.hears(h.id, usesCPU(cpu))() {
						return false
					}
				}
				return true
			})
		}
		everywhere(key(1), key(2))
		everywhere(key(2), key(1))
		everywhere(key(2))
		if refused := f.rejected(gossip.CauseOtherKey); refused != 0 {
			t.Errorf("%d packets could not be decrypted on the way", refused)
		}
		if !f.whole(n)() {
			t.Error("a host was lost on the way")
		}

		// The old key opens nothing any more.
		late := f.start(n + 1)
		f.within(soon, "a host with the old key is refused", func() bool { return f.rejected(gossip.CauseOtherKey) > 0 })
		if late.Stats().Members != 1 {
			t.Error("a host with the old key got in")
		}
		f.end()
	})
}

func TestLossAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		f := newFleet(t)
		f.net.SetLoss(0.1)
		f.net.SetDelay(20 * time.Millisecond)
		f.grow(n)
		f.within(soon, "all together", f.whole(n))
		before := f.totals()
		for range 30 {
			f.publish(busy(1000))
			time.Sleep(2 * time.Second)
		}
		time.Sleep(5 * time.Second)
		after := f.totals()
		delivered := float64(after.Accepted-before.Accepted) / (float64(after.Sent-before.Sent) * (n - 1))
		t.Logf("with 10 %% loss %.2f %% of the digests arrive", 100*delivered)
		if delivered < 0.98 {
			t.Errorf("with 10 %% loss only %.2f %% of the digests arrive", 100*delivered)
		}
		if !f.whole(n)() {
			t.Error("a host was taken for dead")
		}
		f.end()
	})
}
