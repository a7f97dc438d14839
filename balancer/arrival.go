package balancer

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Arrived is a domain whose arrival has to be finished here.
type Arrived struct {
	Op      policy.OpID
	Domain  policy.DomainID
	Handoff hypervisor.Handoff
}

// arrived returns the arrivals that are to be finished, each time until they
// are, and forgets those that will not come.
func (c *Core) arrived(now time.Time) []Arrived {
	var all []Arrived
	for _, op := range slices.Sorted(maps.Keys(c.arriving)) {
		a := c.arriving[op]
		_, promised := c.ledger.Find(op)
		d, here := c.counters(a.domain)
		switch {
		case here && d.State == policy.StateRunning && d.Job != policy.MigratingIn && c.newest(op, a):
			all = append(all, c.arrive(now, op, a))
		case here || promised || a.heard.IsZero():
			a.heard = now
			c.arriving[op] = a
		case now.Sub(a.heard) > arrivalKept:
			delete(c.arriving, op)
		}
	}
	return all
}

// arrive is what to finish on a domain that has arrived by now.
func (c *Core) arrive(now time.Time, op policy.OpID, a arrival) Arrived {
	if a.since.IsZero() {
		a.since = now
		c.arriving[op] = a
	}
	a.handoff.History = a.history(now)
	return Arrived{op, a.domain, a.handoff}
}

// history is that of a domain that has arrived by now. The source filled it in
// before the move, which ended later.
func (a arrival) history(now time.Time) policy.MoveHistory {
	h := a.handoff.History
	h.Last = later(h.Last, cmp.Or(a.since, now))
	return h
}

// remind fills in the histories of domains that have arrived and not been
// finished: libvirt, which has not answered since, does not know them yet.
func (c *Core) remind(now time.Time, domains []policy.DomainCounters) {
	for op, a := range c.arriving {
		i := slices.IndexFunc(domains, func(d policy.DomainCounters) bool { return d.ID == a.domain })
		if i < 0 || domains[i].Job == policy.MigratingIn || !c.newest(op, a) {
			continue
		}
		if h := a.history(now); h.Last.After(domains[i].History.Last) {
			domains[i].History = h
		}
	}
}

// Finished records that an arrival has been finished.
func (c *Core) Finished(op policy.OpID) {
	if a, ok := c.arriving[op]; ok {
		c.others.expect(a.domain)
		c.supersede(op, a.domain)
		if !a.told {
			c.unheard(op, a)
		}
		delete(c.regrets, a.domain) // of an earlier stay here
	}
	delete(c.arriving, op)
}

// newest reports whether no later operation was to bring the same domain: what a
// source says that gave it up, unheard, is not true any more.
func (c *Core) newest(op policy.OpID, a arrival) bool {
	for other, b := range c.arriving {
		later := cmp.Or(b.promise.Granted.Compare(a.promise.Granted), cmp.Compare(other, op))
		if b.domain == a.domain && later > 0 {
			return false
		}
	}
	return true
}

// supersede forgets what other operations said of a domain that this one has
// brought.
func (c *Core) supersede(op policy.OpID, id policy.DomainID) {
	for other, a := range c.arriving {
		if other != op && a.domain == id {
			delete(c.arriving, other)
			c.ledger = c.ledger.Without(other)
		}
	}
	maps.DeleteFunc(c.doubts, func(_ doubtKey, d Doubt) bool {
		return d.Domain == id && d.Op != op && !operation.Grave(d.Reason)
	})
}

// promisedTo reports whether this host waits for the domain.
func (c *Core) promisedTo(id policy.DomainID) bool {
	for _, a := range c.arriving {
		if a.domain == id {
			return true
		}
	}
	return c.holds(id)
}

// reconcile puts what libvirt shows above what was promised: a domain that is
// on its way keeps its promise alive whatever the source says, one that runs
// here has arrived. It does so even for a promise that has just expired.
func (c *Core) reconcile(now time.Time) {
	for _, r := range c.ledger {
		if r.To != c.facts.ID || r.Phase == policy.SettlingIn {
			continue
		}
		d, ok := c.counters(r.Domain)
		switch {
		case !ok:
		case d.Job == policy.MigratingIn:
			r.Phase = policy.Migrating
			r.Expires = later(r.Expires, now.Add(c.tuning.ReserveTTL))
			c.ledger = c.ledger.With(r)
		case d.State == policy.StateRunning:
			c.settle(now, r)
		}
	}
	for _, id := range c.Lapsed(now) {
		if d, ok := c.counters(id); ok {
			c.Found(now, id, policy.Presence{Known: true, Active: true, State: d.State, Job: d.Job})
		}
	}
}

// Lapsed are the domains that may come, or have come, though the promises to them
// have ended in silence. Room that is given to another is given beside them, so
// they are looked for first.
func (c *Core) Lapsed(now time.Time) []policy.DomainID {
	c.rejudge(now)
	c.ledger = c.ledger.Unexpired(now)
	var lapsed []policy.DomainID
	for _, op := range slices.Sorted(maps.Keys(c.arriving)) {
		a := c.arriving[op]
		d, here := c.counters(a.domain)
		if !c.holds(a.domain) && (!here || d.Job == policy.MigratingIn || a.since.IsZero()) && !slices.Contains(lapsed, a.domain) {
			lapsed = append(lapsed, a.domain)
		}
	}
	return lapsed
}

// Found takes in where the hypervisor says that a domain is of which Lapsed has
// told: a promise to one that is coming holds again, one to a domain that has
// come holds until its load is measured.
func (c *Core) Found(now time.Time, id policy.DomainID, p policy.Presence) {
	for op, a := range c.arriving {
		switch {
		case a.domain != id || !c.newest(op, a) || c.holds(id) || a.promise.Load == (policy.Load{}):
		case p.Active && p.Job == policy.MigratingIn:
			c.revive(now, a.promise)
		case p.Running() && a.since.IsZero():
			c.settle(now, a.promise)
		}
	}
}

// holds reports whether a promise of this host to a domain holds.
func (c *Core) holds(id policy.DomainID) bool {
	return slices.ContainsFunc(c.ledger, func(r policy.Reservation) bool { return r.Domain == id && r.To == c.facts.ID })
}

// revive has a promise hold again for a TTL, for its domain is on its way.
func (c *Core) revive(now time.Time, r policy.Reservation) {
	r.Phase = policy.Migrating
	r.Expires = now.Add(c.tuning.ReserveTTL)
	c.ledger = c.ledger.With(r)
}

// fade takes from the promises to domains that have arrived what the estimator
// adds to the measured load in the same time: the one loses exp(-dt/T) of what
// is left as the other gains it, so that together they neither miss the domain
// nor count it twice. Memory stays promised until the reservation ends: the
// guest may not have touched all of it.
func (c *Core) fade(sampled time.Time) {
	for _, r := range c.ledger {
		if r.To != c.facts.ID || r.Phase != policy.SettlingIn {
			continue
		}
		if dt := sampled.Sub(later(c.sample.At, r.Arrived)); dt > 0 && c.tuning.TimeConstant > 0 {
			left := math.Exp(-dt.Seconds() / c.tuning.TimeConstant.Seconds())
			r.Load.CPU = policy.MilliCPU(float64(r.Load.CPU) * left)
			c.ledger = c.ledger.With(r)
		}
	}
}

// settle keeps the promise counted until the load of the domain is part of what
// is measured.
func (c *Core) settle(now time.Time, r policy.Reservation) {
	r.Phase, r.Arrived = policy.SettlingIn, now
	r.Expires = now.Add(3 * c.tuning.TimeConstant) // 5 % is left by then
	c.ledger = c.ledger.With(r)
	c.state.SettleUntil = later(c.state.SettleUntil, now.Add(c.tuning.Policy.Settle))
}

func (c *Core) counters(id policy.DomainID) (policy.DomainCounters, bool) {
	i := slices.IndexFunc(c.sample.Domains, func(d policy.DomainCounters) bool { return d.ID == id })
	if i < 0 {
		return policy.DomainCounters{}, false
	}
	return c.sample.Domains[i], true
}
