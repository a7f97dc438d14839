package gossip_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, cut = 12, 4
		var book logbook
		f := newFleet(t)
		f.grow(n, logTo(&book))
		f.publish(busy(1000))
		f.within(soon, "all 12 together", f.whole(n))
		f.within(soon, "all 12 heard", f.seen(n-1)) // nobody counts who was never heard of

		var minority []netip.AddrPort
		for _, h := range f.hosts[:cut] {
			minority = append(minority, h.addr)
		}
		f.net.Partition(minority)
		time.Sleep(3 * time.Minute)
		for i, h := range f.hosts {
			want := cut
			if i >= cut {
				want = n - cut
			}
			if got := h.Stats().Members; got != want {
				t.Errorf("after 3 minutes of partition host %d has %d members, want %d", i+1, got, want)
			}
			if got := h.Known(); got != n {
				t.Errorf("after 3 minutes of partition host %d knows %d hosts, want %d: a minority must see that it is one", i+1, got, n)
			}
		}

		if lost := book.count("host lost"); lost != 2*cut*(n-cut) {
			t.Errorf("logged %d losses, want one of each host of the other side on each host, %d", lost, 2*cut*(n-cut))
		}

		f.net.Heal()
		took := f.within(soon, "all 12 together again", f.whole(n))
		t.Logf("healed %s after a partition of 3 minutes", took)
		f.publish(busy(2000))
		f.within(10*time.Second, "news pass again", f.seen(n-1))
		f.end()
	})
}
