package peer_test

import (
	"testing"

	"github.com/virtbalance/virtbalance/balancer/peer"
)

// BenchmarkCalls measures both ends together: one call on an open connection,
// and one that has to open it.
func BenchmarkCalls(b *testing.B) {
	ca := newAuthority(b)
	l := peer.DefaultLimits()
	unlimited := peer.Allowance{AtOnce: 1000, PerSecond: 1e9, Burst: 1e9}
	l.Connections, l.ConnectionsTotal, l.Requests, l.RequestsTotal = unlimited, unlimited, unlimited, unlimited
	_, endpoint := serve(b, peer.ServerOptions{Certificates: certificates(b, ca.files(nil)), Limits: l})
	own := certificates(b, ca.files(nil))
	b.Run("reserve", func(b *testing.B) {
		c := client(b, peer.ClientOptions{Certificates: own})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Reserve(b.Context(), endpoint, reservation()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("connect and renew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := peer.NewClient(peer.ClientOptions{Self: hostA, Certificates: own})
			if err != nil {
				b.Fatal(err)
			}
			if err := c.Renew(b.Context(), endpoint, hostB, op); err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
}
