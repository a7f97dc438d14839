package balancer

import (
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

// Observer is told what happens, to count it. Its methods return at once.
type Observer interface {
	Sampled(took time.Duration, err error, host policy.Host, marks policy.Marks, domains []policy.Domain)
	Decided(d policy.Decision)
	// Shadowed is told how a shadow disagrees; empty if there is none.
	Shadowed(how policy.Disagreement)
	// Asked is told each answer that this host gave to a request for room.
	Asked(why policy.Reason)
	Promised(l policy.Ledger)
	// Fleet is told the other hosts; a state is believed for staleAfter.
	Fleet(hosts []policy.Host, now time.Time, staleAfter time.Duration)
	// Room is told what the fleet could yet take in.
	Room(r policy.Headroom)
	Progress(p policy.Progress)
	// Advanced is told each change of phase of an operation of this host.
	Advanced(o operation.Operation)
	// Audited is told what an audit has found of a move of this host.
	Audited(h policy.Horizon, e policy.Effect)
	JournalWritten(err error)
	// JournalOpen is told how many operations are not closed.
	JournalOpen(n int)
}
