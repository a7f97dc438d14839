package policy

import "time"

// Admit is the one rule by which a host takes a domain in. The target applies
// it to its own view when it is asked for a reservation, and that answer
// stands; the source applies it to what it has heard, to ask only where yes is
// likely.
//
// Invariant: on the target, used and promised load with the domain added stays
// within the receive limits; what a person forces, below the critical mark.
func (c Config) Admit(v View, m Move) Reason {
	target, ok := v.Host(m.To)
	if !ok {
		return HostStale
	}
	if m.ForceLoad {
		c = c.forced()
	}
	if why := c.admit(v.Now, v.counted(&target), v.Self, m.From, m.Booked()); why != OK {
		return why
	}
	return v.objection(&target, &m)
}

// admit answers for a load that comes from a host.
func (c *Config) admit(now time.Time, target *Host, self, from HostID, booked Load) Reason {
	return c.admitUpTo(c.Marks.Receive, now, target, self, from, booked)
}

func (c *Config) admitUpTo(mark Fraction, now time.Time, target *Host, self, from HostID, booked Load) Reason {
	overfilled := c.overfilled(mark, target, booked)
	switch {
	case target.ID == from:
		return SameHost
	case target.ID != self && now.Sub(target.Received) > c.StaleAfter:
		return HostStale
	case target.Flags.Has(Blind):
		return HostBlind
	case target.Flags.Has(Frozen):
		return HostFrozen
	case target.Flags.Has(Cordoned) || target.Flags.Has(Draining):
		return HostCordoned
	case target.Flags.Has(Paused):
		return HostPaused
	case overfilled != OK:
		return overfilled
	case target.Inbound >= c.MaxInbound:
		return HostInboundLimit
	default:
		return OK
	}
}

// overfilled says in which dimension the load does not fit on the host.
func (c *Config) overfilled(mark Fraction, h *Host, booked Load) Reason {
	after := h.Committed().Plus(booked)
	switch {
	case after.Share(CPU, h.Capacity) > mark:
		return HostOverReceive
	case after.Share(Memory, h.Capacity) > c.MemoryReceive:
		return HostMemory
	default:
		return OK
	}
}
