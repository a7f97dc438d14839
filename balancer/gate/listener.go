package gate

import (
	"net"
	"net/netip"
	"sync"
)

// Listener closes connections over the limits before anything is read from them
// or computed for them.
type Listener[K comparable] struct {
	net.Listener
	// Key says whose connection it is.
	Key  func(net.Conn) K
	Gate *Gate[K]
	// Refuse is told of those turned away.
	Refuse func(v Verdict, remote net.Addr)
}

// Accept returns the next connection within the limits.
func (l *Listener[K]) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		key := l.Key(conn)
		verdict := l.Gate.Enter(key)
		if verdict == Admitted {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.Gate.Leave(key) })}, nil
		}
		l.Refuse(verdict, conn.RemoteAddr())
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

// NetConn is the connection underneath.
func (c *limitedConn) NetConn() net.Conn { return c.Conn }

// RemoteAddr is the key of a TCP connection: its address without the port. It is
// the zero Addr for what is no IP connection: those share one allowance.
func RemoteAddr(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
