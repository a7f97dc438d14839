package policy

import "time"

// Admit is the one rule by which a host takes a domain in. The target applies
// it to its own view when it is asked for a reservation, and that answer
// stands; the source applies it to what it has heard, to ask only where yes is
// likely.
//
// Invariant: on the target, used and promised load with the domain added stays
// within the receive limits.
func (c Config) Admit(v View, m Move) Reason {
	v = v.normalized()
	target, ok := v.Host(m.To)
	if !ok {
		return HostStale
	}
	return c.admit(v.Now, &target, v.Self, &m)
}

func (c *Config) admit(now time.Time, target *Host, self HostID, m *Move) Reason {
	after := target.Committed().Plus(m.Booked())
	switch {
	case target.ID == m.From:
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
	case after.Share(CPU, target.Capacity) > c.Marks.Receive:
		return HostOverReceive
	case after.Share(Memory, target.Capacity) > c.MemoryReceive:
		return HostMemory
	case target.Inbound >= c.MaxInbound:
		return HostInboundLimit
	default:
		return OK
	}
}
