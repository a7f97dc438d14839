package gossiptest_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
)

var (
	a = netip.MustParseAddrPort("10.0.0.1:1")
	b = netip.MustParseAddrPort("10.0.0.2:1")
)

func pair(t *testing.T) (*gossiptest.Network, *gossiptest.Node, *gossiptest.Node) {
	t.Helper()
	n := gossiptest.NewNetwork(1)
	na, errA := n.Listen(a)
	nb, errB := n.Listen(b)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	return n, na, nb
}

// arrived counts the packets that wait at a node.
func arrived(n *gossiptest.Node) (count int) {
	for {
		select {
		case <-n.PacketCh():
			count++
		default:
			return count
		}
	}
}

func send(t *testing.T, from *gossiptest.Node, packets int) {
	t.Helper()
	for range packets {
		if _, err := from.WriteTo([]byte("x"), b.String()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, na, nb := pair(t)
		send(t, na, 3)
		if got := arrived(nb); got != 3 {
			t.Errorf("%d of 3 packets arrived", got)
		}

		n.SetDelay(time.Second)
		send(t, na, 1)
		time.Sleep(999 * time.Millisecond)
		if arrived(nb) != 0 {
			t.Error("a packet came too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if arrived(nb) != 1 {
			t.Error("a packet did not come in time")
		}
		n.SetDelay(0)

		n.SetLoss(0.25)
		send(t, na, 4000)
		if got := arrived(nb); got < 2850 || got > 3150 {
			t.Errorf("with a quarter lost %d of 4000 packets arrived", got)
		}
		n.SetLoss(0)

		n.Partition([]netip.AddrPort{a})
		send(t, na, 5)
		if arrived(nb) != 0 {
			t.Error("a packet crossed the partition")
		}
		n.Heal()
		send(t, na, 1)
		if arrived(nb) != 1 {
			t.Error("no packet after the heal")
		}
		if err := na.Shutdown(); err != nil {
			t.Fatal(err)
		}
		if _, err := na.WriteTo([]byte("x"), b.String()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a node that is gone sends: %v", err)
		}
		if _, err := n.Listen(b); err == nil {
			t.Error("an address was taken twice")
		}
		if _, err := n.Listen(a); err != nil {
			t.Errorf("the address of a node that is gone is not free: %v", err)
		}
	})
}

func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, na, nb := pair(t)
		here, err := na.DialTimeout(b.String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		there := <-nb.StreamCh()
		if here.RemoteAddr().String() != b.String() || there.RemoteAddr().String() != a.String() {
			t.Errorf("ends %s and %s", here.RemoteAddr(), there.RemoteAddr())
		}
		n.Partition([]netip.AddrPort{a})
		if _, err := there.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a stream across a partition: %v", err)
		}
		began := time.Now()
		if _, err := na.DialTimeout(b.String(), time.Second); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("a dial across a partition: %v after %s", err, time.Since(began))
		}
		n.Heal()
		if _, err := na.DialTimeout("10.0.0.3:1", time.Second); err == nil {
			t.Error("a dial to nobody")
		}
		again, err := na.DialTimeout(b.String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := nb.Shutdown(); err != nil {
			t.Fatal(err)
		}
		if _, err := again.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a stream to a node that is gone: %v", err)
		}
	})
}
