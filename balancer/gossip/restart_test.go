package gossip_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip"
)

// crash takes the host off the network without a word, and off the fleet.
func (f *fleet) crash(h *host) {
	f.tb.Helper()
	if err := h.node.Shutdown(); err != nil {
		f.tb.Fatal(err)
	}
	f.remove(h)
	h.stop() // what is left of it finds no network; end waits for it
}

func TestGracefulLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 12
		var book logbook
		f := newFleet(t)
		f.start(1, logTo(&book))
		for i := 2; i <= n; i++ {
			f.start(i)
		}
		f.publish(busy(1000))
		f.within(soon, "all together", f.seen(n-1))
		time.Sleep(2 * time.Minute) // past the exchanges of a host's youth

		gone := f.hosts[n-1]
		f.remove(gone)
		gone.stop()
		<-gone.done
		took := f.within(soon, "the others have noticed", f.whole(n-1))
		t.Logf("a host that left was gone everywhere %s after its end", took)

		if joined, left := book.count("host joined"), book.count("host left", "host=hv012"); joined != n-1 || left != 1 {
			t.Errorf("logged %d joins and %d times that the host left:\n%s", joined, left, &book)
		}

		attempts := f.totals().JoinAttempts
		time.Sleep(3 * time.Minute)
		for i, h := range f.hosts {
			if got := h.Known(); got != n-1 {
				t.Errorf("host %d knows %d hosts: one that took its leave must not be missed", i+1, got)
			}
		}
		if more := f.totals().JoinAttempts - attempts; more != 0 {
			t.Errorf("a host that took its leave was looked for %d times", more)
		}
		f.end()
	})
}

func TestCrashAndRestart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		addr  netip.AddrPort
		limit time.Duration
	}{
		{"at once at the same address", time.Second, address(12), soon},
		{"later at the same address", 2 * time.Minute, address(12), soon},
		// The address of a host that may be alive is not taken over before the
		// host has been declared dead and forgotten.
		{"at once at another address", time.Second, address(99), 3 * time.Minute},
		{"later at another address", 3 * time.Minute, address(99), soon},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 12
				f := newFleet(t)
				f.grow(n)
				f.publish(busy(1000))
				f.within(soon, "all together", f.seen(n-1))

				f.crash(f.hosts[n-1])
				time.Sleep(tt.after)
				again := f.start(n, func(o *gossip.Options) { o.Listen = tt.addr })
				again.Publish(busy(5000))
				took := f.within(tt.limit, "the host is back", func() bool {
					again.Publish(busy(5000)) // a state that is told before its facts is lost, as any may be
					return f.hears(again.id, usesCPU(5000))()
				})
				t.Logf("restarted %s after the crash, back %s later", tt.after, took)
				for i, h := range f.hosts {
					if got := h.Known(); got != n {
						t.Errorf("host %d knows %d hosts, want %d", i+1, got, n)
					}
				}
				if again.Conflict() && tt.addr == address(n) {
					t.Error("a host at its old address is in conflict with itself")
				}
				time.Sleep(6 * time.Minute)
				if again.Conflict() {
					t.Error("the conflict is not forgotten")
				}
				f.end()
			})
		})
	}
}

// Two hosts with one ID: the first stays, the second must know.
func TestCloneKnowsThatItIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logbook
		f := newFleet(t)
		f.grow(4)
		f.within(soon, "4 together", f.whole(4))
		clone := f.start(3, logTo(&book), func(o *gossip.Options) { o.Listen = address(33) })
		f.within(soon, "the clone sees the conflict", clone.Conflict)
		if book.count("level=WARN", "claims an ID that another host has", "peer="+string(hostID(3))) != 1 {
			t.Errorf("the clone does not say so:\n%s", &book)
		}
		if f.hosts[0].Conflict() {
			t.Error("a bystander is in conflict")
		}
		for _, h := range f.hosts[0].Hosts() {
			if h.ID == hostID(3) && h.Endpoint.Migration != "10.0.0.3" {
				t.Errorf("the clone took the place of the first: %+v", h.Endpoint)
			}
		}
		f.end()
	})
}

func TestKnownHostsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "peers.json")
		keep := func(o *gossip.Options) { o.PeersFile = path }
		f := newFleet(t)
		f.grow(2)
		third := f.start(3, keep)
		f.within(soon, "3 together", f.whole(3))
		f.within(soon, "the third has had an answer of both others", func() bool { return third.Known() == 3 })
		f.remove(third)
		third.stop()
		<-third.done

		again := f.start(3, keep, func(o *gossip.Options) { o.Join = nil })
		if got := again.Known(); got != 3 {
			t.Errorf("known right after the start: %d, want 3", got)
		}
		if e, ok := again.Endpoint(hostID(1)); !ok || e.Peer != "10.0.0.1:17451" {
			t.Errorf("endpoint of a host not heard again yet: %v %v", e, ok)
		}
		f.within(soon, "3 together again, without a join list", f.whole(3))

		if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.remove(again)
		again.stop()
		<-again.done
		if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.start(3, keep)
		f.within(soon, "together in spite of a damaged file", f.whole(3))
		f.end()
	})
}

// A join list of names that nobody knows yet, as at the start of a site.
func TestJoinListIsLookedUpAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lookups atomic.Int64
		resolve := func(_ context.Context, host string) ([]netip.Addr, error) {
			if lookups.Add(1) <= 5 || host != "seed.example.org" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{address(1).Addr()}, nil
		}
		f := newFleet(t)
		f.start(2, func(o *gossip.Options) { o.Join, o.Resolve = []string{"seed.example.org"}, resolve })
		time.Sleep(5 * time.Minute)
		if n := lookups.Load(); n < 10 {
			t.Errorf("%d lookups in five minutes alone", n)
		}
		f.start(1, func(o *gossip.Options) { o.Join = nil })
		took := f.within(45*time.Second, "together when the seed comes up", f.whole(2))
		t.Logf("joined %s after the seed came up", took)
		f.end()
	})
}
