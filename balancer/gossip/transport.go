package gossip

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/balancer/gate"
)

// transport stands between memberlist and the network. It counts the traffic,
// bounds the streams and screens what arrives. At its end it closes every stream
// that is under way, which memberlist does not: its Join would wait for up to
// ten seconds.
type transport struct {
	inner      memberlist.Transport
	count      *counters
	complaints *complaints
	screen     screen
	gate       *gate.Gate[netip.Addr]
	port       uint16

	packets chan *memberlist.Packet
	streams chan net.Conn
	stop    chan struct{}
	pumps   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// newTransport takes the port, or wraps the transport of the options.
func newTransport(o Options, keyring *memberlist.Keyring, c *complaints, log *slog.Logger) (*transport, error) {
	// A host opens a stream when it joins, for an exchange of all states every
	// half minute or less often, and when a packet was not answered. Each holds a
	// goroutine and up to screen.streamMax, for ten seconds at most.
	each := gate.Allowance{AtOnce: 4, PerSecond: 10, Burst: 20}
	total := gate.Allowance{AtOnce: 16, PerSecond: 200, Burst: 400}
	t := &transport{
		inner: o.Transport, count: c.count, complaints: c, screen: newScreen(o, keyring),
		gate: gate.New[netip.Addr](each, total), port: o.Listen.Port(),
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn),
		stop: make(chan struct{}), conns: make(map[net.Conn]struct{}),
	}
	if t.inner == nil {
		network, err := listen(o.Listen, log)
		if err != nil {
			return nil, err
		}
		t.inner, t.port = network, network.port()
	}
	t.pumps.Go(t.pumpPackets)
	t.pumps.Go(t.pumpStreams)
	return t, nil
}

// advertised returns the address that the others are told.
func advertised(o Options, port uint16) (netip.AddrPort, error) {
	addr, advertisedPort := o.Advertise.Addr().Unmap(), o.Advertise.Port()
	if advertisedPort == 0 {
		advertisedPort = port
	}
	switch listen := o.Listen.Addr().Unmap(); {
	case addr.IsValid():
	case !listen.IsUnspecified():
		addr = listen
	default:
		var ok bool
		if addr, ok = routedFrom(o.Join); !ok {
			return netip.AddrPort{}, fmt.Errorf("gossip.advertise: gossip.listen is the wildcard %s, and which address the others reach this host at cannot be told; set gossip.advertise to it", o.Listen.Addr())
		}
	}
	return netip.AddrPortFrom(addr, advertisedPort), nil
}

// routedFrom asks the kernel's routes for the address from which this host
// would reach a host of the cluster, or else the world. No packet is sent.
func routedFrom(join []string) (netip.Addr, bool) {
	const world = "192.0.2.1" // a documentation address (RFC 5737): routed like any other, owned by nobody
	for _, entry := range append(slices.Clip(join), world) {
		host, _, err := splitJoin(entry)
		if err != nil {
			continue
		}
		conn, err := net.DialTimeout("udp", net.JoinHostPort(host, "9"), time.Second)
		if err != nil {
			continue
		}
		local, ok := conn.LocalAddr().(*net.UDPAddr)
		_ = conn.Close()
		if ok && !local.IP.IsLoopback() {
			return local.AddrPort().Addr().Unmap(), true
		}
	}
	return netip.Addr{}, false
}

func (t *transport) pumpPackets() {
	for {
		select {
		case p := <-t.inner.PacketCh():
			t.count.packetsReceived.Add(1)
			t.count.packetBytesReceived.Add(uint64(len(p.Buf)))
			if err := t.screen.packet(p.Buf); err != nil {
				t.complaints.about(CauseGarbage, garbage, p.From, err)
				continue
			}
			select {
			case t.packets <- p:
			case <-t.stop:
				return
			}
		case <-t.stop:
			return
		}
	}
}

func (t *transport) pumpStreams() {
	for {
		select {
		case c := <-t.inner.StreamCh():
			from := gate.RemoteAddr(c)
			if t.gate.Enter(from) != gate.Admitted {
				t.complaints.about(CauseStreams, streams, c.RemoteAddr(), errors.New("too many streams at once, or in a short time"))
				_ = c.Close()
				continue
			}
			tracked, err := t.track(c, true, func() { t.gate.Leave(from) })
			if err != nil {
				continue
			}
			select {
			case t.streams <- tracked:
			case <-t.stop:
				return
			}
		case <-t.stop:
			return
		}
	}
}

// FinalAdvertiseAddr returns what was configured: it is always complete here.
func (t *transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, 0, fmt.Errorf("advertise address: %w", err)
	}
	return addr.AsSlice(), port, nil
}

// WriteTo sends a packet.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress sends a packet.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (at time.Time, err error) {
	if inner, ok := t.inner.(memberlist.NodeAwareTransport); ok {
		at, err = inner.WriteToAddress(b, a)
	} else {
		at, err = t.inner.WriteTo(b, a.Addr)
	}
	if err == nil {
		t.count.packetsSent.Add(1)
		t.count.packetBytesSent.Add(uint64(len(b)))
	}
	return at, err
}

// PacketCh delivers packets.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh delivers incoming streams.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout opens a stream.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	var (
		conn net.Conn
		err  error
	)
	if inner, ok := t.inner.(memberlist.NodeAwareTransport); ok {
		conn, err = inner.DialAddressTimeout(a, timeout)
	} else {
		conn, err = t.inner.DialTimeout(a.Addr, timeout)
	}
	if err != nil {
		return nil, err
	}
	return t.track(conn, false, func() {})
}

// Shutdown gives the port back and ends every exchange. It may be called again.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	conns := t.conns
	t.conns = nil
	t.mu.Unlock()

	for c := range conns {
		_ = c.Close()
	}
	// The pumps still read while the inner transport waits for its listeners,
	// which may be handing over.
	err := t.inner.Shutdown()
	close(t.stop)
	t.pumps.Wait()
	return err
}

var errClosed = errors.New("gossip transport is closed")
