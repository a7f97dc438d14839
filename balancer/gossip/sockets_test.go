package gossip_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/virtbalance/virtbalance/balancer/gossip"
)

// onLoopback are options for real sockets on a port that the kernel chooses.
func onLoopback(i int) gossip.Options {
	o := options(i)
	o.Listen, o.Join = netip.MustParseAddrPort("127.0.0.1:0"), nil
	return o
}

// awaitNoGoroutines fails if something of this package or of memberlist still
// runs after a while: memberlist's probes end by their timers, not at shutdown.
func awaitNoGoroutines(t *testing.T) {
	t.Helper()
	var err error
	for began := time.Now(); time.Since(began) < time.Minute; {
		if err = goleak.Find(); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestRealSockets(t *testing.T) {
	defer awaitNoGoroutines(t)
	ctx, cancel := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	defer runs.Wait()
	defer cancel()
	run := func(o gossip.Options) *gossip.Gossip {
		g, err := gossip.New(o)
		if err != nil {
			t.Fatal(err)
		}
		runs.Go(func() {
			if err := g.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		return g
	}

	first := run(onLoopback(1))
	second := onLoopback(2)
	second.Join = []string{first.Addr().String()}
	b := run(second)
	first.Publish(busy(1000))
	b.Publish(busy(2000))
	for began := time.Now(); len(first.Hosts()) == 0 || len(b.Hosts()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("the hosts do not hear of each other: %+v", b.Stats())
		}
	}
	if got := first.Hosts()[0]; got.ID != hostID(2) || got.Used.CPU != 2000 || got.Endpoint.Peer != "127.0.0.1:17451" {
		t.Errorf("got %+v", got)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		s := first.Stats()
		if s.PacketBytesSent > 0 && s.PacketBytesReceived > 0 && s.StreamBytesSent > 0 && s.StreamBytesReceived > 0 {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("traffic not counted: %+v", s)
		}
	}

	// The port is taken, for packets and streams.
	third := onLoopback(3)
	third.Listen = first.Addr()
	if g, err := gossip.New(third); err == nil || !strings.Contains(err.Error(), "gossip.listen ("+first.Addr().String()+"): the port is in use") {
		t.Errorf("a port in use: %v, %v", g, err)
	}
	if err := first.Run(ctx); err == nil {
		t.Error("Run was accepted twice")
	}
}

func TestListenFaults(t *testing.T) {
	defer awaitNoGoroutines(t)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	o := onLoopback(1)
	o.Listen = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := gossip.New(o); err == nil || !strings.Contains(err.Error(), "the port is in use") {
		t.Errorf("a UDP port in use: %v", err)
	}
	o.Listen = netip.MustParseAddrPort("192.0.2.1:17450")
	if _, err := gossip.New(o); err == nil || !strings.Contains(err.Error(), "no such address") {
		t.Errorf("an address of somebody else: %v", err)
	}
}

// Run with a context that has ended gives the port back.
func TestStartedAndStoppedAtOnce(t *testing.T) {
	defer awaitNoGoroutines(t)
	o := onLoopback(1)
	for range 3 {
		g, err := gossip.New(o)
		if err != nil {
			t.Fatal(err)
		}
		o.Listen = g.Addr() // the same port each time
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Run(ended); err != nil {
			t.Fatal(err)
		}
	}
}

// A stop does not wait for a host that does not answer.
func TestStopWhileJoining(t *testing.T) {
	defer awaitNoGoroutines(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := silent.Accept(); err == nil {
			accepted <- c // and says nothing
		}
	}()
	o := onLoopback(1)
	o.Join = []string{silent.Addr().String()}
	g, err := gossip.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	conn := <-accepted
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(8 * time.Second): // memberlist alone waits for 10 s
		t.Error("the stop waits for the silent host")
		<-done
	}
	_ = conn.Close()
	_ = silent.Close()
}
