package gossip

import (
	"io"
	"net"
	"sync"
)

// track counts what a stream carries and closes it with the transport. leave is
// called when it is closed.
func (t *transport) track(c net.Conn, incoming bool, leave func()) (net.Conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = c.Close()
		leave()
		return nil, errClosed
	}
	t.conns[c] = struct{}{}
	return &stream{Conn: c, t: t, incoming: incoming, leave: sync.OnceFunc(leave)}, nil
}

// stream is a connection under way.
type stream struct {
	net.Conn
	t        *transport
	incoming bool
	leave    func()

	// What comes is judged at the first Read, so within the deadline that
	// memberlist has set: the rest of the stream is head and what follows it,
	// within the bound.
	screened bool
	head     []byte
	total    int
}

// Read reads what has passed the screen.
func (s *stream) Read(b []byte) (int, error) {
	if !s.screened {
		s.screened = true
		head, err := s.t.screen.stream(counted{s}, s.incoming)
		if err != nil {
			return 0, err
		}
		s.head = head
	}
	if len(s.head) > 0 {
		n := copy(b, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	s.head = nil
	return counted{s}.Read(b)
}

// counted is the stream as it comes, up to its bound.
type counted struct{ s *stream }

func (c counted) Read(b []byte) (int, error) {
	left := c.s.t.screen.streamMax - c.s.total
	if left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.s.Conn.Read(b[:min(len(b), left)])
	c.s.total += n
	c.s.t.count.streamBytesReceived.Add(uint64(n))
	return n, err
}

// Write sends.
func (s *stream) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	s.t.count.streamBytesSent.Add(uint64(n))
	return n, err
}

// Close closes the connection, once or more often.
func (s *stream) Close() error {
	s.t.mu.Lock()
	delete(s.t.conns, s.Conn)
	s.t.mu.Unlock()
	defer s.leave()
	return s.Conn.Close()
}
