package policy

import (
	"cmp"
	"slices"
	"time"
)

// State is the policy's memory between decisions. It is a value, small, and
// written to disk with the journal: a restart forgets nothing.
type State struct {
	// Counted is the time of the newest sample that detection has counted; Over
	// whether each of the last samples, newest first, was above the high mark.
	Counted   time.Time `json:"counted,omitzero"`
	Over      []bool    `json:"over,omitempty"`
	OverSince time.Time `json:"over_since,omitzero"`
	// Uses is the host's CPU use in the last samples, newest first, as far as
	// the detector wants it.
	Uses []Fraction `json:"uses,omitempty"`
	// Relieving is true from the moment the host is overloaded until its load
	// is below the stop mark.
	Relieving bool `json:"relieving,omitempty"`

	// SettleUntil ends the quarantine after a move of this host.
	SettleUntil time.Time `json:"settle_until,omitzero"`

	Backoffs []Backoff `json:"backoffs,omitempty"`
	// Quarantines are of the hosts to which moves have failed, by ID.
	Quarantines []Quarantine `json:"quarantines,omitempty"`

	// Emptying is since when the host has found that it could be emptied.
	Emptying time.Time `json:"emptying,omitzero"`

	// Debt is what this host has agreed to give away to make room, Awaited what
	// it may get back for what it gave. NoSwapUntil keeps one swap from leading
	// to the next.
	Debt        Debt      `json:"debt,omitzero"`
	Awaited     Awaited   `json:"awaited,omitzero"`
	NoSwapUntil time.Time `json:"no_swap_until,omitzero"`

	// Expectations are the moves that are still to be audited, oldest first.
	Expectations []Expectation `json:"expectations,omitempty"`

	// Failures in a row, and until when they stop everything.
	Failures    int       `json:"failures,omitempty"`
	BrokenUntil time.Time `json:"broken_until,omitzero"`
}

// Backoff keeps a domain from a host that refused it or where it failed.
type Backoff struct {
	Domain DomainID  `json:"domain"`
	Host   HostID    `json:"host"`
	Until  time.Time `json:"until"`
	Reason Reason    `json:"reason"`
	// Failures counts attempts that failed, not refusals.
	Failures int `json:"failures,omitempty"`
}

// Refused returns the state after a host did not grant a move.
func (c Config) Refused(s State, now time.Time, m Move, why Reason) State {
	if m.Back != nil && why != HostMakesRoom { // ask others first, at leisure
		s.NoSwapUntil = now.Add(swapPause)
		return s.backOff(now, m, why, max(c.RefusedBackoff, swapPatience), s.failures(m))
	}
	if why == HostMakesRoom {
		s.NoSwapUntil = now.Add(swapPatience) // one host is enough
	}
	return s.backOff(now, m, why, c.RefusedBackoff, s.failures(m))
}

// Finished returns the state after an attempt has ended.
//
// An unknown outcome counts as a failure for backing off, quarantine and the
// breaker, and as a move for settling: nobody knows which it was.
func (c Config) Finished(s State, now time.Time, m Move, o Outcome) State {
	s.SettleUntil = now.Add(c.Settle)
	s = c.swapped(s, now, m, o)
	s = c.tried(s, now, &m, &o)
	if o.Result == Succeeded {
		s.Failures, s.BrokenUntil = 0, time.Time{}
		return s
	}
	failures := s.failures(m)
	s = s.backOff(now, m, o.Reason, doubled(c.FailedBackoff, failures, c.CooldownMax), failures+1)
	s.Failures++
	if c.BreakerFailures > 0 && s.Failures >= c.BreakerFailures {
		s.BrokenUntil = now.Add(c.BreakerReset)
		s.Failures = 0
	}
	return s
}

// Arrived returns the history of a domain after a move: the count goes on if
// the last move was within the window, else it starts again.
func (c Config) Arrived(h MoveHistory, now time.Time, from HostID) MoveHistory {
	if h.Last.IsZero() || now.Sub(h.Last) > c.CooldownWindow {
		h.Count, h.Unhelped = 0, 0
	}
	return MoveHistory{Last: now, From: from, Count: h.Count + 1, Unhelped: h.Unhelped}
}

// CooledDown reports whether a domain with this history may move again.
// A history from the future (another host's clock) counts as now.
func (c Config) CooledDown(h MoveHistory, now time.Time) bool {
	if h.Count == 0 || h.Last.IsZero() {
		return true
	}
	last := h.Last
	if last.After(now) {
		last = now
	}
	return now.Sub(last) >= doubled(c.Cooldown, h.Count-1+h.Unhelped, c.CooldownMax)
}

// returns reports whether the move would take the domain back, for the sake of
// load, to the host that it came from a short while ago. A drain, a broken rule and
// a person may.
func (c *Config) returns(why Reason, now time.Time, d *Domain, to HostID) bool {
	switch why {
	case Drain, RuleBroken, Manual:
		return false
	default:
		return to == d.History.From && to != "" && now.Sub(d.History.Last) < c.ReturnWindow
	}
}

// doubled is base x 2^times, at most limit.
func doubled(base time.Duration, times int, limit time.Duration) time.Duration {
	for ; times > 0 && base < limit; times-- {
		base *= 2
	}
	return min(base, limit)
}

// failures counts how often this move has failed.
func (s State) failures(m Move) int {
	for _, b := range s.Backoffs {
		if b.Domain == m.Domain && b.Host == m.To {
			return b.Failures
		}
	}
	return 0
}

// backedOff reports whether the pair is still to be left alone.
func (s *State) backedOff(now time.Time, d DomainID, h HostID) bool {
	return slices.ContainsFunc(s.Backoffs, func(b Backoff) bool {
		return b.Domain == d && b.Host == h && now.Before(b.Until)
	})
}

func (s State) backOff(now time.Time, m Move, why Reason, wait time.Duration, failures int) State {
	kept := slices.DeleteFunc(slices.Clone(s.Backoffs), func(b Backoff) bool {
		forgotten := now.Sub(b.Until) > 24*time.Hour
		return forgotten || b.Domain == m.Domain && b.Host == m.To
	})
	kept = append(kept, Backoff{Domain: m.Domain, Host: m.To, Until: now.Add(wait), Failures: failures, Reason: why})
	slices.SortFunc(kept, func(a, b Backoff) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Host, b.Host))
	})
	s.Backoffs = kept
	return s
}
