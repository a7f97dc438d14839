package policy

import (
	"slices"
	"time"
)

// Effect is what an audit finds that a move has done, some time after it.
type Effect uint8

// The effects.
const (
	// UnknownEffect: not all is known that it takes to judge. Nothing follows
	// from it.
	UnknownEffect Effect = iota
	// Improved: the hosts are better off by half of what was predicted at least,
	// or the domain waits noticeably less for a CPU.
	Improved
	// WithoutGain: it might as well have stayed.
	WithoutGain
	// Worse: it had better stayed.
	Worse
)

var effectNames = [...]string{UnknownEffect: "unknown", Improved: "improved", WithoutGain: "no_gain", Worse: "worse"}

// Effects returns every effect.
func Effects() []Effect { return []Effect{UnknownEffect, Improved, WithoutGain, Worse} }

// String names the effect as metric labels do.
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return effectNames[UnknownEffect]
}

// Regretted reports that the move did not help.
func (e Effect) Regretted() bool { return e == WithoutGain || e == Worse }

// MarshalText writes the name.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads a name; one that a newer version knows reads as
// UnknownEffect.
func (e *Effect) UnmarshalText(b []byte) error {
	*e = Effect(max(0, slices.Index(effectNames[:], string(b))))
	return nil
}

// Horizon is which of the two audits of a move it is.
type Horizon uint8

// The horizons: Soon finds out whether the prediction was right, Late whether
// what it rested on has lasted.
const (
	Soon Horizon = iota
	Late
)

// Horizons returns both.
func Horizons() []Horizon { return []Horizon{Soon, Late} }

// String names the horizon as configuration and metric labels do.
func (h Horizon) String() string {
	if h == Soon {
		return "soon"
	}
	return "late"
}

// Outlook is what both hosts and the domain show when a move is audited.
type Outlook struct {
	// From and To are the CPU shares that are in use now.
	From Fraction `json:"from"`
	To   Fraction `json:"to"`
	// Demand is the domain's CPU demand, Wait the share of time that its vCPUs
	// wait for a CPU.
	Demand MilliCPU `json:"demand_millis"`
	Wait   Fraction `json:"wait"`
}

// Audit is what has become of a move.
type Audit struct {
	At     time.Time `json:"at"`
	Effect Effect    `json:"effect"`
	// Reason is why the effect is unknown; OK if it is known.
	Reason Reason `json:"reason,omitempty"`
	// Gain is by how much the higher of the two loads is lower than if the
	// domain had stayed; negative if it is higher.
	Gain Fraction `json:"gain,omitempty"`
	// Seen is what it was judged by; nil if there is nothing to judge by.
	Seen *Outlook `json:"seen,omitempty"`
}

// Audits are those of one move; nil is not made (yet).
type Audits struct {
	Soon *Audit `json:"soon,omitempty"`
	Late *Audit `json:"late,omitempty"`
}

// With returns the audits with one added.
func (a Audits) With(h Horizon, x Audit) Audits {
	if h == Soon {
		a.Soon = &x
	} else {
		a.Late = &x
	}
	return a
}

// LoadDriven reports whether the move was made for what it does to the load; the
// others are made for something else, and are not judged by it.
func (m Move) LoadDriven() bool {
	switch m.Why {
	case Overload, Contention, Spread:
		return true
	default:
		return false
	}
}

// Judge says what has become of a move.
//
// Load changes by itself, with or without a move, so what the hosts use now is
// not compared with what they used before but with what they would use now had
// the domain stayed: its demand of today, put back on the source in thought. Had
// nothing else changed, the gain is the predicted one. It is less when the
// domain's demand or the source's has gone by itself, so that the move was not
// needed, or when the target has filled up; negative when taking the move back
// would lower the higher of the two loads.
//
// The domain's own wait is compared with that before the move, for nobody knows
// what it would be. What differs by less than the tolerance counts as equal: a
// twentieth of a host is what the policy by default calls a gain, and of a vCPU's
// time what VMware calls worth a look. A wait of exactly zero before the move may
// be one that the source's hypervisor does not count: then a longer one says
// nothing.
func (m Move) Judge(now time.Time, o Outlook) Audit {
	const tolerance, kept = 0.05, 0.5
	a := Audit{At: now, Seen: &o}
	if m.Load.CPU <= 0 {
		a.Reason = NoStats
		return a
	}
	demand := Fraction(float64(o.Demand) / float64(m.Load.CPU)) // of what it was
	left, came := demand*(m.FromBefore-m.FromAfter), demand*(m.ToAfter-m.ToBefore)
	a.Gain = max(o.From+left, o.To-came) - max(o.From, o.To)
	longer := o.Wait - m.Wait
	switch {
	case m.Wait == 0 && longer > tolerance:
		a.Reason = NoStats
	case a.Gain < -tolerance, longer > tolerance:
		a.Effect = Worse
	case a.Gain >= kept*m.Gain(), longer < -tolerance:
		a.Effect = Improved
	default:
		a.Effect = WithoutGain
	}
	return a
}

// Expectation is a move that has succeeded and is still to be audited.
type Expectation struct {
	Op    OpID      `json:"op"`
	Move  Move      `json:"move"`
	Ended time.Time `json:"ended"`
	// Next is the audit that comes next.
	Next Horizon `json:"next"`
}

// expectationsKept bounds how many moves wait for their audits: those of some
// hours, one every few minutes.
const expectationsKept = 64

// audit is how long after its end a move is audited; zero is never.
func (c *Config) audit(h Horizon) time.Duration {
	if h == Soon {
		return c.AuditSoon
	}
	return c.AuditLate
}

// Expect returns the state after a move has ended: one that was made for the
// load and succeeded is to be audited. An earlier one of the same domain is not
// any more: which of the two did what, nobody could tell.
func (c Config) Expect(s State, now time.Time, op OpID, m Move, o Outcome) State {
	if o.Result != Succeeded {
		return s
	}
	s.Expectations = slices.DeleteFunc(slices.Clone(s.Expectations), func(e Expectation) bool { return e.Move.Domain == m.Domain })
	if !m.LoadDriven() || m.Load.CPU <= 0 || c.AuditSoon == 0 && c.AuditLate == 0 {
		return s
	}
	m.Requires, m.Groups, m.Joins, m.Back = nil, nil, nil, nil // no audit looks at them
	s.Expectations = append(s.Expectations, Expectation{Op: op, Move: m, Ended: now})
	s.Expectations = s.Expectations[max(0, len(s.Expectations)-expectationsKept):]
	return s
}

// Due is one audit that is to be made now.
type Due struct {
	Op      OpID
	Move    Move
	Horizon Horizon
	// Missed: its time has long gone by, and what could be seen now would say
	// little of it. Its effect is unknown.
	Missed bool
}

// AuditsDue are the audits whose time has come, at most one of each move.
func (c Config) AuditsDue(s State, now time.Time) []Due {
	var due []Due
	for _, e := range s.Expectations {
		h := e.Next
		if h == Soon && c.AuditSoon == 0 {
			h = Late
		}
		wait := c.audit(h)
		if passed := now.Sub(e.Ended); wait > 0 && passed >= wait {
			due = append(due, Due{Op: e.Op, Move: e.Move, Horizon: h, Missed: passed > 2*wait})
		}
	}
	return due
}

// Audited returns the state after an audit has been made.
func (c Config) Audited(s State, d Due) State {
	s.Expectations = slices.Clone(s.Expectations)
	last := d.Horizon == Late || c.AuditLate == 0
	s.Expectations = slices.DeleteFunc(s.Expectations, func(e Expectation) bool { return e.Op == d.Op && last })
	for i := range s.Expectations {
		if s.Expectations[i].Op == d.Op {
			s.Expectations[i].Next = Late
		}
	}
	return s
}
