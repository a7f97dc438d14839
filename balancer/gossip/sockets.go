package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// sockets is the network of the operating system: UDP for packets, TCP for
// streams, on one port.
//
// memberlist's NetTransport does the same with a buffer of 64 KiB for every
// packet and a parse of every address, a fifth of what gossip costs; its dials
// cannot be ended, and its errors are texts.
type sockets struct {
	log     *slog.Logger
	tcp     *net.TCPListener
	udp     *net.UDPConn
	packets chan *memberlist.Packet
	streams chan net.Conn

	ctx    context.Context // ends with Shutdown
	cancel context.CancelFunc
	loops  sync.WaitGroup
}

var _ memberlist.Transport = (*sockets)(nil)

// listen binds the port, for both protocols; port 0 means one that is free.
func listen(at netip.AddrPort, log *slog.Logger) (*sockets, error) {
	const tries = 10 // a port that is free for TCP can be taken for UDP
	for try := 1; ; try++ {
		s, err := bind(at, log)
		if err == nil || at.Port() != 0 || try == tries {
			return s, explain(at, err)
		}
	}
}

func bind(at netip.AddrPort, log *slog.Logger) (*sockets, error) {
	tcpNet, udpNet := "tcp", "udp"
	if at.Addr().Is4() {
		tcpNet, udpNet = "tcp4", "udp4" // else 0.0.0.0 would mean IPv6 as well
	}
	tcp, err := net.ListenTCP(tcpNet, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	port := tcp.Addr().(*net.TCPAddr).AddrPort().Port()
	udp, err := net.ListenUDP(udpNet, net.UDPAddrFromAddrPort(netip.AddrPortFrom(at.Addr(), port)))
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	const burst = 1 << 20
	if err := udp.SetReadBuffer(burst); err != nil {
		log.Debug("receive buffer not enlarged", "err", err)
	}
	s := &sockets{
		log: log, tcp: tcp, udp: udp,
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.loops.Go(s.receive)
	s.loops.Go(s.accept)
	return s, nil
}

// explain says what the operator can do about a port that cannot be had.
func explain(at netip.AddrPort, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("gossip.listen (%s): the port is in use, by another virtbalanced or another program; stop it, or choose another port on every host: %w", at, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("gossip.listen (%s): this host has no such address: %w", at, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("gossip.listen (%s): a port below 1024 needs privileges that the daemon does not have: %w", at, err)
	default:
		return fmt.Errorf("gossip.listen (%s): %w", at, err)
	}
}

func (s *sockets) port() uint16 { return s.tcp.Addr().(*net.TCPAddr).AddrPort().Port() }

// receive hands over packets until Shutdown.
func (s *sockets) receive() {
	const largest = 1 << 16
	buf := make([]byte, largest)
	for s.ctx.Err() == nil {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			s.pause("packet not read", err)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		p := &memberlist.Packet{Buf: bytes.Clone(buf[:n]), From: net.UDPAddrFromAddrPort(from), Timestamp: time.Now()}
		select {
		case s.packets <- p:
		case <-s.ctx.Done():
		}
	}
}

// accept hands over streams until Shutdown.
func (s *sockets) accept() {
	for s.ctx.Err() == nil {
		conn, err := s.tcp.Accept()
		if err != nil {
			s.pause("stream not accepted", err)
			continue
		}
		select {
		case s.streams <- conn:
		case <-s.ctx.Done():
			_ = conn.Close()
		}
	}
}

// pause keeps a lasting error (out of file descriptors) from eating a CPU.
func (s *sockets) pause(what string, err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.log.Warn("gossip socket in trouble", "what", what, "err", err)
	select {
	case <-time.After(time.Second):
	case <-s.ctx.Done():
	}
}

// WriteTo sends a packet.
func (s *sockets) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = s.udp.WriteToUDPAddrPort(b, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return time.Now(), err
}

// DialTimeout opens a stream. It ends with the transport.
func (s *sockets) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	return dialer.DialContext(s.ctx, "tcp", addr)
}

// PacketCh delivers packets.
func (s *sockets) PacketCh() <-chan *memberlist.Packet { return s.packets }

// StreamCh delivers incoming streams.
func (s *sockets) StreamCh() <-chan net.Conn { return s.streams }

// FinalAdvertiseAddr is not asked: the wrapper around this transport answers.
func (s *sockets) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return nil, 0, errors.New("the advertised address is configured elsewhere")
}

// Shutdown gives the port back.
func (s *sockets) Shutdown() error {
	s.cancel()
	err := errors.Join(s.tcp.Close(), s.udp.Close())
	s.loops.Wait()
	return err
}
