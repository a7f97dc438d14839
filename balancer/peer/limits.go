package peer

import (
	"fmt"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gate"
)

// Limits bound what others can make a server hold and do. More of each lets a
// bigger burst through and costs more memory under attack: at worst about
// RequestsTotal.AtOnce x 2 x Body for bodies, and 300 KiB for each connection.
type Limits struct {
	// Body and Header are in bytes.
	Body   int64
	Header int

	// Connections count for each remote address: AtOnce open, and new ones per
	// second (a TLS handshake costs about a millisecond of CPU).
	Connections, ConnectionsTotal Allowance
	// Requests count for each identified host.
	Requests, RequestsTotal Allowance
	// Reports count for each identified host that asks for what an operator
	// wants to see. They are apart, so that however many people look, no move
	// waits for them.
	Reports, ReportsTotal Allowance

	// Handshake bounds TLS and the header, Read the whole request, Handle the
	// work of the Handler. Idle ends a connection without requests.
	Handshake, Read, Handle, Idle time.Duration
}

// Allowance is what one peer, or all together, may use.
type Allowance = gate.Allowance

// DefaultLimits suit a target of a few thousand hosts: a source asks for one
// move at a time and renews every ten seconds.
func DefaultLimits() Limits {
	return Limits{
		Body:   bodyMax,
		Header: 16 << 10,

		Connections:      Allowance{AtOnce: 16, PerSecond: 10, Burst: 40},
		ConnectionsTotal: Allowance{AtOnce: 512, PerSecond: 200, Burst: 400},
		Requests:         Allowance{AtOnce: 4, PerSecond: 20, Burst: 40},
		RequestsTotal:    Allowance{AtOnce: 32, PerSecond: 200, Burst: 400},
		Reports:          Allowance{AtOnce: 4, PerSecond: 10, Burst: 20},
		ReportsTotal:     Allowance{AtOnce: 8, PerSecond: 40, Burst: 80},

		Handshake: 5 * time.Second,
		Read:      10 * time.Second,
		Handle:    30 * time.Second,
		Idle:      2 * time.Minute,
	}
}

func (l Limits) validate() error {
	positive := func(key string, n float64) error {
		if n > 0 {
			return nil
		}
		return fmt.Errorf("limits: %s (%v) must be positive", key, n)
	}
	allowance := func(key string, a Allowance) error {
		return first(
			positive(key+".AtOnce", float64(a.AtOnce)),
			positive(key+".PerSecond", a.PerSecond),
			positive(key+".Burst", float64(a.Burst)),
		)
	}
	return first(
		positive("Body", float64(l.Body)),
		positive("Header", float64(l.Header)),
		allowance("Connections", l.Connections),
		allowance("ConnectionsTotal", l.ConnectionsTotal),
		allowance("Requests", l.Requests),
		allowance("RequestsTotal", l.RequestsTotal),
		allowance("Reports", l.Reports),
		allowance("ReportsTotal", l.ReportsTotal),
		positive("Handshake", l.Handshake.Seconds()),
		positive("Read", l.Read.Seconds()),
		positive("Handle", l.Handle.Seconds()),
		positive("Idle", l.Idle.Seconds()),
	)
}
