// Package gossiptest is a network in memory for tests of clusters: packets and
// streams between named addresses, with partitions, loss and delay.
//
// It works inside a testing/synctest bubble, which real sockets and
// memberlist's own MockTransport do not. A bubble ends only when every
// goroutine in it has ended, and some of memberlist's outlive its shutdown by
// seconds: sleep Linger of virtual time after the last Run has returned.
package gossiptest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Linger is how long goroutines of memberlist may go on after a shutdown:
// probes and suspicions that were under way end by their timers.
const Linger = 2 * time.Minute

// The buffers of a node: what does not fit is lost, as in a kernel.
const (
	packetBuffer = 4096
	streamBuffer = 64
)

// Network connects nodes. All its methods may be called at any time.
type Network struct {
	mu    sync.Mutex
	rng   *rand.Rand
	nodes map[string]*Node
	sides map[string]int
	loss  float64
	delay time.Duration
	traff Traffic
}

// Traffic counts what the network was given to carry.
type Traffic struct {
	Packets, PacketBytes, Lost, Dials uint64
}

// NewNetwork returns a network without partition, loss or delay. The seed
// decides which packets a loss hits.
func NewNetwork(seed uint64) *Network {
	return &Network{
		rng:   rand.New(rand.NewPCG(seed, seed)),
		nodes: make(map[string]*Node),
		sides: make(map[string]int),
	}
}

// Listen adds a node. It fails if the address is taken.
func (n *Network) Listen(addr netip.AddrPort) (*Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.nodes[addr.String()]; ok {
		return nil, fmt.Errorf("listen on %s: address already in use", addr)
	}
	node := &Node{
		net: n, addr: addr,
		packets: make(chan *memberlist.Packet, packetBuffer),
		streams: make(chan net.Conn, streamBuffer),
	}
	n.nodes[addr.String()] = node
	return node, nil
}

// Partition cuts the network: each group hears only itself, and those that are
// in no group only one another. It replaces an earlier partition.
func (n *Network) Partition(groups ...[]netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.sides)
	for i, group := range groups {
		for _, addr := range group {
			n.sides[addr.String()] = i + 1
		}
	}
	for _, node := range n.nodes {
		node.cut(func(peer string) bool { return n.sides[peer] != n.sides[node.addr.String()] })
	}
}

// Heal ends a partition.
func (n *Network) Heal() { n.Partition() }

// SetLoss drops each packet with a probability. Streams lose nothing, as TCP.
func (n *Network) SetLoss(probability float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = probability
}

// SetDelay makes packets take a time to arrive.
func (n *Network) SetDelay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = d
}

// Traffic returns what the network was given to carry so far.
func (n *Network) Traffic() Traffic {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.traff
}

// Inject delivers a packet as if it came from an address, past partition, loss
// and delay. It reports whether there was a node to take it.
func (n *Network) Inject(from, to netip.AddrPort, b []byte) bool {
	n.mu.Lock()
	dest := n.nodes[to.String()]
	n.mu.Unlock()
	return dest != nil && dest.deliver(b, net.UDPAddrFromAddrPort(from))
}

// send carries a packet.
func (n *Network) send(from netip.AddrPort, to string, b []byte) {
	n.mu.Lock()
	n.traff.Packets++
	n.traff.PacketBytes += uint64(len(b))
	dest := n.nodes[to]
	lost := dest == nil || n.sides[from.String()] != n.sides[to] || (n.loss > 0 && n.rng.Float64() < n.loss)
	if lost {
		n.traff.Lost++
	}
	delay := n.delay
	n.mu.Unlock()
	if lost {
		return
	}
	sender := net.UDPAddrFromAddrPort(from)
	if delay == 0 {
		dest.deliver(b, sender)
		return
	}
	carried := append([]byte(nil), b...)
	time.AfterFunc(delay, func() { dest.deliver(carried, sender) })
}

// dial opens a stream. To an address that nobody hears at, or beyond a
// partition, it takes until the timeout, as with packets that are dropped.
func (n *Network) dial(from *Node, to string, timeout time.Duration) (net.Conn, error) {
	n.mu.Lock()
	n.traff.Dials++
	dest := n.nodes[to]
	reachable := n.sides[from.addr.String()] == n.sides[to]
	n.mu.Unlock()
	switch {
	case !reachable:
		time.Sleep(timeout)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	case dest == nil:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	here, there := net.Pipe()
	local := &conn{Conn: here, local: from.addr.String(), remote: to, owner: from}
	remote := &conn{Conn: there, local: to, remote: from.addr.String(), owner: dest}
	if !from.hold(local) || !dest.hold(remote) || !dest.accept(remote) {
		_, _ = local.Close(), remote.Close()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection reset by peer")}
	}
	return local, nil
}
