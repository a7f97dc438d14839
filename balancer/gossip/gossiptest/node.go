package gossiptest

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Node is one end of the network: a memberlist.Transport.
type Node struct {
	net     *Network
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
}

var _ memberlist.Transport = (*Node)(nil)

// Addr returns the address of the node.
func (n *Node) Addr() netip.AddrPort { return n.addr }

// FinalAdvertiseAddr returns the address of the node.
func (n *Node) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return n.addr.Addr().AsSlice(), int(n.addr.Port()), nil
}

// WriteTo sends a packet; the network may lose it.
func (n *Node) WriteTo(b []byte, addr string) (time.Time, error) {
	if n.isClosed() {
		return time.Time{}, net.ErrClosed
	}
	n.net.send(n.addr, addr, b)
	return time.Now(), nil
}

// PacketCh delivers packets.
func (n *Node) PacketCh() <-chan *memberlist.Packet { return n.packets }

// DialTimeout opens a stream.
func (n *Node) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	if n.isClosed() {
		return nil, net.ErrClosed
	}
	return n.net.dial(n, addr, timeout)
}

// StreamCh delivers incoming streams.
func (n *Node) StreamCh() <-chan net.Conn { return n.streams }

// Shutdown removes the node: its address is free, its streams are closed. To
// the other nodes it looks like a crash, and a test may use it as one.
func (n *Node) Shutdown() error {
	n.net.mu.Lock()
	if n.net.nodes[n.addr.String()] == n {
		delete(n.net.nodes, n.addr.String())
	}
	n.net.mu.Unlock()
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.cut(func(string) bool { return true })
	return nil
}

func (n *Node) isClosed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

// deliver hands a copy of a packet to the node, unless its buffer is full.
func (n *Node) deliver(b []byte, from net.Addr) bool {
	select {
	case n.packets <- &memberlist.Packet{Buf: bytes.Clone(b), From: from, Timestamp: time.Now()}:
		return true
	default:
		return false
	}
}

func (n *Node) accept(c *conn) bool {
	select {
	case n.streams <- c:
		return true
	default:
		return false
	}
}

// hold keeps a stream so that it can be cut.
func (n *Node) hold(c *conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	if n.conns == nil {
		n.conns = make(map[*conn]struct{})
	}
	n.conns[c] = struct{}{}
	return true
}

// cut closes the streams to the peers that match.
func (n *Node) cut(match func(peer string) bool) {
	n.mu.Lock()
	var lost []*conn
	for c := range n.conns {
		if match(c.remote) {
			lost = append(lost, c)
		}
	}
	n.mu.Unlock()
	for _, c := range lost {
		_ = c.Close()
	}
}

// conn is one end of a stream.
type conn struct {
	net.Conn
	local, remote string
	owner         *Node
}

func (c *conn) LocalAddr() net.Addr  { return tcpAddr(c.local) }
func (c *conn) RemoteAddr() net.Addr { return tcpAddr(c.remote) }

func (c *conn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

func tcpAddr(text string) net.Addr {
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(addr)
}
