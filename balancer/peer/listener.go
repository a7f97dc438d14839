package peer

import (
	"net"
	"net/netip"
	"sync"
)

// limitedListener closes connections over the limits before anything is read
// from them or computed for them.
type limitedListener struct {
	net.Listener
	gate   *gate[netip.Addr]
	refuse func(r Refusal, remote net.Addr)
}

// Accept returns the next connection within the limits.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := remoteAddr(conn)
		switch l.gate.enter(addr) {
		case admitted:
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.gate.leave(addr) })}, nil
		case overOwn:
			l.refuse(RefusedConnections, conn.RemoteAddr())
		case overTotal:
			l.refuse(RefusedConnectionsTotal, conn.RemoteAddr())
		}
		_ = conn.Close() // nothing was promised to it
	}
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection, once or more often.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// remoteAddr is the zero Addr for what is no IP connection: those share one
// allowance.
func remoteAddr(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
