package balancer

import (
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// HostState is this host as the others are to see it.
func (c *Core) HostState(now time.Time) policy.HostState {
	s := policy.HostState{
		Used: policy.Load{
			CPU:    policy.MilliCPU(float64(c.utilization.Smoothed) * float64(c.facts.Capacity.CPU)),
			Memory: c.utilization.Memory,
		},
		Ahead:    c.utilization.Ahead,
		Pressure: c.utilization.Pressure,
		Promised: c.ledger.Unexpired(now).Promised(c.facts.ID),
		Running:  len(c.domains),
		Groups:   policy.GroupsOf(c.facts.ID, c.domains, c.ledger.Unexpired(now)),
		Band:     policy.BandUnknown,
	}
	s.Reserved = c.tuning.Policy.Reserved(c.facts.Capacity, s.Used, c.domains)
	for _, d := range c.sample.Domains {
		switch d.Job {
		case policy.MigratingIn:
			s.Inbound++
		case policy.MigratingOut:
			s.Outbound++
		}
	}
	s.Inbound = max(s.Inbound, c.ledger.Inbound(c.facts.ID))
	s.Outbound = max(s.Outbound, c.underway())
	if c.blind(now) {
		s.Flags |= policy.Blind
	} else {
		s.Band = c.tuning.Policy.Marks.Band(s.Used.Share(policy.CPU, c.facts.Capacity))
	}
	for flag, set := range map[policy.HostFlags]bool{
		policy.Paused: c.paused, policy.Cordoned: c.cordoned, policy.Draining: c.draining, policy.Frozen: c.frozen(),
		policy.Emptying: !c.state.Emptying.IsZero(),
	} {
		if set {
			s.Flags |= flag
		}
	}
	return s
}

// blind reports that the host's own load, or what its domains do, has not been
// known for too long.
func (c *Core) blind(now time.Time) bool {
	stale := func(t time.Time) bool { return now.Sub(t) > c.tuning.Policy.StaleAfter }
	return !c.utilization.Known || stale(c.utilization.At) || stale(c.listed)
}

// underway counts the operations that hold an outbound slot.
func (c *Core) underway() int { return len(c.operations) }

// Fleet is what the cluster says of the other hosts at one instant.
type Fleet struct {
	Others []policy.Host
	// Known counts the hosts heard from in the last day, this one included.
	Known int
	// Missing are those of them of which nothing is known now.
	Missing []policy.MissingHost
	// Conflict: another host claims to be this one.
	Conflict bool
}

// View is everything that a decision may look at.
func (c *Core) View(now time.Time, fleet Fleet) policy.View {
	moment := c.moment(now)
	return policy.View{
		Now: now, Self: c.facts.ID,
		Hosts:       append([]policy.Host{c.Self(now)}, fleet.Others...),
		Domains:     c.movable(),
		Ledger:      c.ledger.Unexpired(now),
		Utilization: c.judged(),
		Conditions: policy.Conditions{
			Mode: moment.Mode, Paused: c.paused, Frozen: c.frozen(),
			Closed: !moment.Open, Opens: moment.Opens,
			JournalUnwritable: c.journalErr != nil,
			Known:             fleet.Known, Conflict: fleet.Conflict,
		},
	}
}

// judged is the utilization as decisions see it: while the hypervisor does not
// say what its domains do, there is nothing that could be decided about them.
func (c *Core) judged() policy.Utilization {
	u := c.utilization
	u.Known = u.Known && c.sample.DomainsKnown
	return u
}

// movable are the domains, with what this host is already doing with them: until
// an operation has ended, nobody knows where its domain will be. The same is true
// of one that has arrived, until its source says so.
func (c *Core) movable() []policy.Domain {
	domains := slices.Clone(c.domains)
	for i := range domains {
		switch d := &domains[i]; {
		case d.Obstacle != policy.OK:
		case c.operatesOn(d.ID, ""):
			d.Obstacle = policy.JobActive
		case c.unconfirmed(d.ID):
			d.Obstacle = policy.Unconfirmed
		}
	}
	return domains
}

// operatesOn reports whether an operation on the domain is open, other than the
// given one.
func (c *Core) operatesOn(id policy.DomainID, other policy.OpID) bool {
	for op, o := range c.operations {
		if o.Move.Domain == id && op != other {
			return true
		}
	}
	return false
}
