package gossip_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
	"github.com/virtbalance/virtbalance/policy"
)

// fleet is a cluster in virtual time. It lives inside a synctest bubble.
type fleet struct {
	tb    testing.TB
	net   *gossiptest.Network
	hosts []*host
	stops []func() // of every host that was ever started
	runs  sync.WaitGroup
}

// host is one daemon's gossip.
type host struct {
	*gossip.Gossip
	id   policy.HostID
	addr netip.AddrPort
	node *gossiptest.Node
	stop context.CancelFunc
	done chan struct{}
}

func newFleet(tb testing.TB) *fleet {
	tb.Helper()
	return &fleet{tb: tb, net: gossiptest.NewNetwork(1)}
}

func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), gossip.DefaultPort)
}

func hostID(i int) policy.HostID {
	return policy.HostID(fmt.Sprintf("00000000-0000-4000-8000-%012x", i))
}

// options are those of host i: a key, and the first two hosts to join.
func options(i int) gossip.Options {
	return gossip.Options{
		Self: policy.HostFacts{
			ID: hostID(i), Name: fmt.Sprintf("hv%03d.example.org", i),
			Capacity:       policy.Load{CPU: 32000, Memory: 256 * policy.GiB},
			CPUFingerprint: 0xfeedface, CPUModel: "EPYC-Rome", LibvirtVersion: 9000000, HypervisorVersion: 7002015,
			Labels: []string{"rack=a"}, Endpoint: policy.Endpoint{Peer: ":17451"},
		},
		Listen: address(i), Label: "test", Keys: [][]byte{key(1)},
		Join: []string{address(1).String(), address(2).String()},
	}
}

func key(b byte) []byte { return slices.Repeat([]byte{b}, 32) }

// start runs a host with options changed by the mutations.
func (f *fleet) start(i int, mutate ...func(*gossip.Options)) *host {
	f.tb.Helper()
	o := options(i)
	for _, m := range mutate {
		m(&o)
	}
	node, err := f.net.Listen(o.Listen)
	if err != nil {
		f.tb.Fatal(err)
	}
	o.Transport = node
	g, err := gossip.New(o)
	if err != nil {
		f.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &host{Gossip: g, id: o.Self.ID, addr: o.Listen, node: node, stop: cancel, done: make(chan struct{})}
	f.runs.Go(func() {
		defer close(h.done)
		if err := g.Run(ctx); err != nil {
			f.tb.Errorf("host %d: %v", i, err)
		}
	})
	f.hosts = append(f.hosts, h)
	f.stops = append(f.stops, cancel)
	return h
}

// grow starts hosts 1 to n and has each publish at its own phase.
func (f *fleet) grow(n int, mutate ...func(*gossip.Options)) {
	f.tb.Helper()
	for i := 1; i <= n; i++ {
		f.start(i, mutate...)
	}
}

// remove takes a host out of the fleet; it goes on running.
func (f *fleet) remove(h *host) {
	f.hosts = slices.DeleteFunc(f.hosts, func(o *host) bool { return o == h })
}

// publish has every host say its state.
func (f *fleet) publish(s policy.HostState) {
	for _, h := range f.hosts {
		h.Publish(s)
	}
}

// end stops every host and waits until nothing of it is left.
func (f *fleet) end() {
	for _, stop := range f.stops {
		stop()
	}
	f.runs.Wait()
	time.Sleep(gossiptest.Linger)
}

// within fails unless the condition comes true in the (virtual) time, and
// returns how long it took.
func (f *fleet) within(limit time.Duration, what string, cond func() bool) time.Duration {
	f.tb.Helper()
	began := time.Now()
	for {
		synctest.Wait()
		if cond() {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			f.tb.Errorf("%s: not within %s", what, limit)
			f.end() // a bubble must not be left with goroutines in it
			f.tb.FailNow()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// whole reports whether every host has n members, itself included.
func (f *fleet) whole(n int) func() bool {
	return func() bool {
		return !slices.ContainsFunc(f.hosts, func(h *host) bool { return h.Stats().Members != n })
	}
}

// seen reports whether every host has the state of n others.
func (f *fleet) seen(n int) func() bool {
	return func() bool {
		return !slices.ContainsFunc(f.hosts, func(h *host) bool { return len(h.Hosts()) != n })
	}
}

func busy(cpu policy.MilliCPU) policy.HostState {
	return policy.HostState{
		Used:     policy.Load{CPU: cpu, Memory: 100 * policy.GiB},
		Promised: policy.Load{CPU: 500, Memory: policy.GiB},
		Pressure: 0.25, Running: 17, Inbound: 1, Outbound: 2, Band: policy.BandNormal,
	}
}

func TestHostsHearOfEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.grow(5)
		f.publish(busy(12000))
		took := f.within(soon, "every host knows the others", f.seen(4))
		t.Logf("5 hosts know each other after %s", took)

		for _, h := range f.hosts[0].Hosts() {
			if h.HostState != busy(12000) {
				t.Errorf("state of %s: %+v", h.Name, h.HostState)
			}
			i := slices.IndexFunc(f.hosts, func(o *host) bool { return o.id == h.ID }) + 1
			want := options(i).Self
			want.Endpoint = policy.Endpoint{Peer: fmt.Sprintf("10.0.0.%d:17451", i), Migration: fmt.Sprintf("10.0.0.%d", i)}
			if fmt.Sprint(h.HostFacts) != fmt.Sprint(want) {
				t.Errorf("facts of host %d:\n%+v, want\n%+v", i, h.HostFacts, want)
			}
			if age := time.Since(h.Received); age < 0 || age > soon {
				t.Errorf("host %d: age %s", i, age)
			}
			if e, ok := f.hosts[0].Endpoint(h.ID); !ok || e != want.Endpoint {
				t.Errorf("endpoint of host %d: %v %v", i, e, ok)
			}
		}
		if n := f.hosts[0].Known(); n != 5 {
			t.Errorf("known: %d, want 5", n)
		}
		f.end()
	})
}
