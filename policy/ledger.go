package policy

import (
	"slices"
	"strings"
	"time"
)

// Phase is how far a promise has come.
type Phase uint8

// The phases of a reservation.
const (
	// Reserved: granted, the migration has not begun.
	Reserved Phase = iota
	// Migrating: the source said that it began, or libvirt shows it.
	Migrating
	// SettlingIn: arrived, and not yet part of what the host measures.
	SettlingIn
)

// String names the phase.
func (p Phase) String() string {
	switch p {
	case Reserved:
		return "reserved"
	case Migrating:
		return "migrating"
	default:
		return "settling"
	}
}

// Reservation is load that a target has promised to take.
type Reservation struct {
	Op     OpID     `json:"op"`
	Domain DomainID `json:"domain"`
	From   HostID   `json:"from"`
	To     HostID   `json:"to"`
	// Load is booked in full: CPU as measured at the source, memory at its
	// maximum.
	Load Load `json:"load"`
	// Groups are those of the domain: they count as being on To.
	Groups  []Membership `json:"groups,omitempty"`
	Phase   Phase        `json:"phase"`
	Granted time.Time    `json:"granted"`
	// Arrived is when the domain began to run on the target, as far as that is
	// known; zero before.
	Arrived time.Time `json:"arrived,omitzero"`
	// Expires is when the promise ends unless it is renewed. Silence frees
	// room: a source that died must not block a target for ever.
	Expires time.Time `json:"expires"`
}

// Ledger is the promises that a host has given, and that a source has been
// given. It is a value: every change returns a new one. The order is by Op.
//
// Invariant: a reservation that is not renewed is gone after Expires.
type Ledger []Reservation

// Find returns the reservation of an operation.
func (l Ledger) Find(op OpID) (Reservation, bool) {
	i, ok := l.index(op)
	if !ok {
		return Reservation{}, false
	}
	return l[i], true
}

// With returns the ledger with r added, or put in place of the reservation of
// the same operation.
func (l Ledger) With(r Reservation) Ledger {
	i, ok := l.index(r.Op)
	if ok {
		next := slices.Clone(l)
		next[i] = r
		return next
	}
	return slices.Insert(slices.Clone(l), i, r)
}

// Without returns the ledger without the operation.
func (l Ledger) Without(op OpID) Ledger {
	i, ok := l.index(op)
	if !ok {
		return l
	}
	return slices.Delete(slices.Clone(l), i, i+1)
}

// Unexpired returns the ledger without the promises that have ended by now.
func (l Ledger) Unexpired(now time.Time) Ledger {
	ended := func(r Reservation) bool { return !now.Before(r.Expires) }
	if !slices.ContainsFunc(l, ended) {
		return l
	}
	return slices.DeleteFunc(slices.Clone(l), ended)
}

// Promised is the load promised by the given host.
func (l Ledger) Promised(to HostID) Load {
	var sum Load
	for _, r := range l {
		if r.To == to {
			sum = sum.Plus(r.Load)
		}
	}
	return sum
}

// Inbound counts the promises of the given host whose domains are yet to
// arrive.
func (l Ledger) Inbound(to HostID) int {
	return l.count(to, Reserved) + l.count(to, Migrating)
}

func (l Ledger) count(to HostID, p Phase) int {
	n := 0
	for _, r := range l {
		if r.To == to && r.Phase == p {
			n++
		}
	}
	return n
}

func (l Ledger) index(op OpID) (int, bool) {
	return slices.BinarySearchFunc(l, op, func(r Reservation, op OpID) int {
		return strings.Compare(string(r.Op), string(op))
	})
}
