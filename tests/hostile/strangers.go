package hostile

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
)

// stranger attacks from an address of its own, without key and certificate.
type stranger struct {
	from string
	sent *atomic.Int64
}

// flood sends packets, some thousand a second, until ctx ends.
func (s stranger) flood(ctx context.Context, to string, perMillisecond int, next func(i int) []byte) error {
	local, err := net.ResolveUDPAddr("udp4", s.from+":0")
	if err != nil {
		return err
	}
	remote, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp4", local)
	if err != nil {
		return err
	}
	defer conn.Close()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for range perMillisecond {
			b := next(i)
			if b == nil {
				return nil
			}
			n, _ := conn.WriteToUDP(b, remote) // a full buffer loses it, as a network does
			s.sent.Add(int64(n))
			i++
		}
	}
}

// garbage is noise, noise under the right label, and large noise.
func garbage(label string) func(int) []byte {
	noise := make([]byte, 60<<10)
	_, _ = rand.Read(noise)
	labelled := append(append([]byte{gossiptest.Label, byte(len(label))}, label...), append([]byte{1}, noise[:59<<10]...)...)
	return func(i int) []byte {
		switch {
		case i%200 == 0:
			return labelled
		case i%2 == 0:
			return labelled[:1200]
		default:
			return noise[i%1000 : i%1000+1200]
		}
	}
}

// crowd keeps opening connections and holds on to as many as it can. say speaks
// on each, and may go on speaking.
func (s stranger) crowd(ctx context.Context, network, to string, dial func() (net.Conn, error), say func(i int, c net.Conn) error) {
	const most, pause = 400, 2 * time.Millisecond
	if dial == nil {
		dialer := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.from)}}
		dial = func() (net.Conn, error) { return dialer.DialContext(ctx, network, to) }
	}
	var held []net.Conn
	var talking sync.WaitGroup
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
		talking.Wait()
	}()
	for i := 0; ctx.Err() == nil; i++ {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		if len(held) >= most {
			_ = held[0].Close()
			held = held[1:]
		}
		c, err := dial()
		if err != nil {
			continue
		}
		held = append(held, c)
		talking.Go(func() {
			_ = c.SetDeadline(time.Now().Add(time.Second)) // refused or not: go on
			_ = say(i, countedConn{c, s.sent})
		})
	}
}

type countedConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

// sayGossip begins an exchange of 20 MiB, and other things, and ends none.
func sayGossip(label string) func(int, net.Conn) error {
	head := append([]byte{gossiptest.Label, byte(len(label))}, label...)
	announced := binary.BigEndian.AppendUint32(append(head, gossiptest.Encrypt), 19<<20)
	some := make([]byte, 256<<10)
	return func(i int, c net.Conn) error {
		switch i % 4 {
		case 0:
			_, err := c.Write(announced[:1+i%len(announced)])
			return err
		case 1:
			_, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			return err
		default:
			if _, err := c.Write(announced); err != nil {
				return err
			}
			_, err := c.Write(some)
			return err
		}
	}
}

// sayHTTP asks quickly, slowly, at length, and for too much.
func sayHTTP(paths ...string) func(int, net.Conn) error {
	large := strings.Repeat("x", 1<<20)
	return func(i int, c net.Conn) error {
		path := paths[i%len(paths)]
		var err error
		switch i % 6 {
		case 0: // a header that does not end
			_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nX-Slow: ", path)
		case 1: // one that is too long
			_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", path, large)
		case 2: // a body that is announced to be too large
			_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, 1<<30, large)
		case 3: // one that is not announced
			_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n%s\r\n", path, large)
		case 4:
			_, err = c.Write([]byte("\x16\x03\x01\xff\xff\x00\x00"))
		default: // many at once
			_, err = c.Write([]byte(strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n", 50)))
		}
		return err
	}
}

// sayTLS shakes hands without a certificate, with one of its own making, or not
// at all.
func sayTLS(own tls.Certificate) func(int, net.Conn) error {
	return func(i int, c net.Conn) error {
		config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}} //nolint:gosec // an attacker does not care
		switch i % 4 {
		case 0:
			return nil
		case 1:
			_, err := c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
			return err
		case 2:
			config.Certificates = []tls.Certificate{own}
		}
		conn := tls.Client(c, config)
		if err := conn.Handshake(); err != nil {
			return err
		}
		if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
			return err
		}
		_, err := conn.Read(make([]byte, 1)) // in TLS 1.3 this is where the refusal comes
		return err
	}
}
