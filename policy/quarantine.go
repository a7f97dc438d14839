package policy

import (
	"slices"
	"strings"
	"time"
)

// Quarantine keeps this host from a target to which its migrations fail: the
// fault is more likely there than in one domain after the other. A Backoff is
// for one domain and one host, the breaker for all hosts; this lies between, so
// that one sick target neither tries the fleet's domains one by one nor stops
// the moves to the healthy ones.
type Quarantine struct {
	Host HostID `json:"host"`
	// Failures in a row: of different domains until there is a quarantine, for
	// what fails again with the same one says as much of the domain.
	Failures int `json:"failures"`
	// Last is the newest failure, of Domain.
	Last   time.Time `json:"last"`
	Domain DomainID  `json:"domain"`
	// Until ends the quarantine; zero while there have been too few failures.
	Until time.Time `json:"until,omitzero"`
}

// over reports that nothing follows from the failures any more: the window has
// gone by without another, counted from the end of the quarantine.
func (q *Quarantine) over(now time.Time, window time.Duration) bool {
	last := q.Last
	if q.Until.After(last) {
		last = q.Until
	}
	return now.Sub(last) > window
}

// tried is the state after a migration to a host has ended. Success clears the
// host; a failure counts against it, unless it was nobody's fault there.
//
// The n-th failure from QuarantineFailures on begins a quarantine of
// QuarantineTime x 2^n, n from 0, at most CooldownMax.
func (c *Config) tried(s State, now time.Time, m *Move, o *Outcome) State {
	if c.QuarantineFailures == 0 {
		s.Quarantines = nil
		return s
	}
	if o.Result != Succeeded && !blamesTarget(o.Reason) {
		return s
	}
	var q Quarantine
	kept := slices.DeleteFunc(slices.Clone(s.Quarantines), func(k Quarantine) bool {
		forgotten := k.over(now, c.QuarantineWindow)
		if k.Host == m.To && !forgotten {
			q = k
		}
		return forgotten || k.Host == m.To
	})
	if o.Result != Succeeded {
		if q.Failures >= c.QuarantineFailures || q.Domain != m.Domain {
			q.Failures++
		}
		q.Host, q.Domain, q.Last = m.To, m.Domain, now
		if times := q.Failures - c.QuarantineFailures; times >= 0 {
			q.Until = now.Add(doubled(c.QuarantineTime, times, c.CooldownMax))
		}
		i, _ := slices.BinarySearchFunc(kept, q.Host, func(k Quarantine, id HostID) int {
			return strings.Compare(string(k.Host), string(id))
		})
		kept = slices.Insert(kept, i, q)
	}
	s.Quarantines = kept
	return s
}

// blamesTarget reports whether a move that failed for this reason may have
// failed for something that the target has to do with.
func blamesTarget(why Reason) bool {
	switch why {
	case Cancelled, SourceGone, Interrupted, PausedByOperator, JournalUnwritable:
		return false
	default:
		return true
	}
}

// quarantined reports whether the host is to be left alone by all domains.
func (s *State) quarantined(now time.Time, h HostID) bool {
	for i := range s.Quarantines {
		if q := &s.Quarantines[i]; q.Host == h {
			return now.Before(q.Until)
		}
	}
	return false
}

// avoids is why this host does not ask another to take the domain, after what
// came of asking before; OK if it may.
func (s *State) avoids(now time.Time, d DomainID, h HostID) Reason {
	switch {
	case s.quarantined(now, h):
		return HostQuarantined
	case s.backedOff(now, d, h):
		return HostBackoff
	default:
		return OK
	}
}
