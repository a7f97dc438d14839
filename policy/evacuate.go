package policy

import (
	"math"
	"slices"
)

// Evacuate says, without doing anything, what draining the host of the view
// would do from here on: the moves in the order in which they are likely to be
// made, and a verdict on each domain that would stay.
//
// It is the decision of a drain carried on in thought to its end. Passing
// obstacles do not count (a target that takes in as many as it may just now, a
// refusal for such a reason), so an empty plan without a Hold says that the drain can get no further by itself.
// Hold is what has to be waited for; OK while a migration of the drain runs.
func (c Config) Evacuate(v View, s State) Decision {
	v.Hosts = slices.Clone(v.Hosts)
	for i := range v.Hosts {
		if v.Hosts[i].ID == v.Self {
			v.Hosts[i].Flags |= Draining
		}
	}
	refused := map[pair]Reason{}
	s.Backoffs = slices.DeleteFunc(slices.Clone(s.Backoffs), func(b Backoff) bool { return b.Reason.passing() })
	for _, b := range s.Backoffs {
		refused[pair{b.Domain, b.Host}] = b.Reason
	}
	c.MaxMoves, c.MaxInbound = len(v.Domains)+1, math.MaxInt

	d := Decision{At: v.Now, Self: v.Self}
	self, ok := v.Host(v.Self)
	if !ok {
		d.Hold = NoSample
		return d
	}
	d.Band = c.Marks.Band(self.Used.Share(CPU, self.Capacity))
	_, d = c.plan(v, s, d, Drain)
	d.Hold = c.gate(v, s, self, Drain)
	switch {
	case d.Hold == InFlight || d.Hold == NoDomains:
		d.Hold = OK
	case d.Hold == OK && (!v.Utilization.Known || self.Flags.Has(Blind)):
		d.Hold = NoSample // what the domains use is soon known
	case d.Hold == OK && v.Conditions.Paused:
		d.Hold = PausedByOperator
	}
	for i, verdict := range d.Verdicts {
		if d.Hold == OK && len(d.Plan) == 0 && verdict.Host == "" && verdict.Reason.passing() {
			d.Hold = verdict.Reason
		}
		if why, ok := refused[pair{verdict.Domain, verdict.Host}]; ok && verdict.Reason == HostBackoff {
			d.Verdicts[i].Reason = why
		}
	}
	return d
}

type pair struct {
	domain DomainID
	host   HostID
}

// passing reports that the reason says something of the moment and not of the
// domain or the host: waiting is enough.
func (r Reason) passing() bool {
	switch r {
	case HostInboundLimit, HostStale, HostBlind, InFlight, JobActive, Unconfirmed, NotInspected, Unreachable, Cancelled, Interrupted, JournalUnwritable:
		return true
	default:
		return false
	}
}
