package policy

import (
	"cmp"
	"math"
	"slices"
)

// Shortage says what would help a host that nobody can relieve.
type Shortage struct {
	// Domain is the smallest of those that would have relieved the host and that
	// no host takes; if none would have by itself, the largest. A host that takes
	// one of Size would have helped. Both are empty when no domain may move at all:
	// then it is not the hosts.
	Domain DomainID `json:"domain,omitempty"`
	Name   string   `json:"name,omitempty"`
	Size   Load     `json:"size,omitzero"`
	// Binding is the most frequent reason, the first of Tally: why hosts refuse
	// Domain or, if that is empty, why domains stay.
	Binding Reason  `json:"binding"`
	Tally   []Count `json:"tally"`
}

// Count is how many hosts, or domains, have the same reason.
type Count struct {
	Reason Reason `json:"reason"`
	Count  int    `json:"count"`
}

// tallied counts reasons, the most frequent first.
func tallied(reasons []Reason) []Count {
	var counts []Count
	for _, r := range reasons {
		i := slices.IndexFunc(counts, func(c Count) bool { return c.Reason == r })
		if i < 0 {
			i, counts = len(counts), append(counts, Count{Reason: r})
		}
		counts[i].Count++
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return counts
}

// shortage is why the host finds no move, over all hosts: the verdicts of a
// decision list only some of them.
func (c Config) shortage(v View, s State, self Host, why Reason) *Shortage {
	movable, stays := c.candidates(v, self, why)
	if len(movable) == 0 {
		reasons := make([]Reason, len(stays))
		for i := range stays {
			reasons[i] = stays[i].Reason
		}
		return newShortage(reasons)
	}
	excess := max(0, self.Used.Share(CPU, self.Capacity)-c.Marks.Stop).of(self.Capacity.CPU)
	slices.SortFunc(movable, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.domain.booked().CPU, b.domain.booked().CPU), cmp.Compare(a.domain.booked().Memory, b.domain.booked().Memory),
			cmp.Compare(a.domain.ID, b.domain.ID))
	})
	enough := slices.IndexFunc(movable, func(m candidate) bool { return m.domain.Demand.CPU >= excess })
	if enough < 0 {
		enough = len(movable) - 1
	}
	cand := &movable[enough]
	ch := &choice{view: v, state: s, from: self, why: why}
	ch.open, ch.closed = c.targets(v)
	var reasons []Reason
	for i := range ch.open {
		reasons = append(reasons, c.refusal(ch, cand, &ch.open[i]))
	}
	for _, closed := range ch.closed {
		reasons = append(reasons, closed.Reason)
	}
	short := newShortage(reasons)
	if short != nil {
		short.Domain, short.Name, short.Size = cand.domain.ID, cand.domain.Name, cand.domain.booked()
	}
	return short
}

// newShortage is a shortage for these reasons; nil without any.
func newShortage(reasons []Reason) *Shortage {
	tally := tallied(reasons)
	if len(tally) == 0 {
		return nil
	}
	return &Shortage{Binding: tally[0].Reason, Tally: tally}
}

// Headroom is what a fleet could yet take in, and whether it would bear the loss
// of a host.
type Headroom struct {
	// Hosts are those that were counted: heard from lately, and knowing their
	// load. The others might as well not be there.
	Hosts int `json:"hosts"`

	// Domains is how many more of Size would fit, each wholly on a host, none of
	// them above its receive mark or its memory. Without a Size it is not known.
	Size    Load `json:"size,omitzero"`
	Domains int  `json:"domains"`
	// Binding is why most hosts take no more of them than that.
	Binding Reason `json:"binding,omitempty"`

	// Survives: without any one of the hosts, what it has committed would fit on
	// the others, up to their high marks and their memory. Hardest is the host
	// whose loss would leave the least.
	Survives bool   `json:"survives_host_loss"`
	Hardest  HostID `json:"hardest_loss,omitempty"`
	// Exact: a place was found for each domain. Otherwise, where the domains of
	// other hosts are not known, room is summed up over hosts: enough of it may
	// still be too scattered for a large domain.
	Exact bool `json:"exact,omitempty"`
}

// Headroom is that of the fleet of a view, for domains of that size. It costs
// a few operations for each host.
//
// Invariant: more load, or fewer hosts, never make more room.
func (c Config) Headroom(v View, size Load) Headroom {
	r := Headroom{Size: size}
	var full []Reason
	for i := range v.Hosts {
		h := v.counted(&v.Hosts[i])
		if !c.counts(&v, h) {
			continue
		}
		r.Hosts++
		n, why := c.times(v, *h, size)
		r.Domains += n
		full = append(full, why)
	}
	if size == (Load{}) {
		r.Domains = 0
	} else if tally := tallied(full); len(tally) > 0 {
		r.Binding = tally[0].Reason
	}
	r.Hardest, r.Survives = c.hardestLoss(v)
	return r
}

// counts reports whether the load of a host is known.
func (c *Config) counts(v *View, h *Host) bool {
	fresh := h.ID == v.Self || v.Now.Sub(h.Received) <= c.StaleAfter
	return fresh && !h.Flags.Has(Blind)
}

// times is how many domains of a size a host would take in, one after the other,
// and why not one more. How many may come at once does not matter.
func (c Config) times(v View, h Host, size Load) (int, Reason) {
	const most = 10_000
	c.MaxInbound = math.MaxInt
	why := OK
	fits := func(n int) bool {
		all := Load{CPU: size.CPU * MilliCPU(n), Memory: size.Memory * Bytes(n)}
		why = c.admit(v.Now, &h, v.Self, "", all)
		return why == OK
	}
	if !fits(1) {
		return 0, why
	}
	low, high := 1, most+1 // low fits, high does not
	if size.CPU > 0 {
		high = min(high, int(h.Capacity.CPU/size.CPU)+1)
	}
	if size.Memory > 0 {
		high = min(high, int(h.Capacity.Memory/size.Memory)+1)
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; fits(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	fits(high) // says why
	return low, why
}

// roomUpTo is what a host has room for beside what it uses, up to a mark of its
// CPU and to the memory up to which it takes domains in.
func (c *Config) roomUpTo(mark Fraction, h *Host, used Load) Load {
	return Load{
		CPU:    mark.of(h.Capacity.CPU),
		Memory: Bytes(float64(c.MemoryReceive) * float64(h.Capacity.Memory)),
	}.Minus(used)
}

// slack is how much of the room would be left over with what is lost on it, as
// a share of the room, in the dimension in which that is less; negative if it
// does not fit.
func slack(room, lost Load) float64 {
	left := func(room, lost float64) float64 {
		switch {
		case lost == 0:
			return 1
		case room == 0:
			return math.Inf(-1)
		default:
			return (room - lost) / room
		}
	}
	return min(left(float64(room.CPU), float64(lost.CPU)), left(float64(room.Memory), float64(lost.Memory)))
}

// hardestLoss is the host whose loss leaves the least room, in sum, and whether
// what it has committed fits into the room of the others.
func (c *Config) hardestLoss(v View) (HostID, bool) {
	type member struct {
		id         HostID
		room, lost Load
	}
	var members []member
	var sum Load
	for i := range v.Hosts {
		h := v.counted(&v.Hosts[i])
		if !c.counts(&v, h) {
			continue
		}
		m := member{id: h.ID, lost: h.Committed()}
		if h.Flags&(Cordoned|Draining|Paused|Frozen) == 0 {
			m.room = c.roomUpTo(c.Marks.High, h, m.lost)
		}
		if h.Running == 0 { // its own work ends with it
			m.lost = h.Promised
		}
		members, sum = append(members, m), sum.Plus(m.room)
	}
	var hardest HostID
	least := math.Inf(1)
	for _, m := range members {
		if left := slack(sum.Minus(m.room), m.lost); left < least || left == least && m.id < hardest {
			hardest, least = m.id, left
		}
	}
	return hardest, len(members) > 0 && least >= 0
}

// TypicalSize is the median of what the domains whose load is known need room
// for, in each dimension by itself; zero without any.
func TypicalSize(domains []Domain) Load {
	var cpu []MilliCPU
	var memory []Bytes
	for i := range domains {
		if d := &domains[i]; d.Known {
			cpu, memory = append(cpu, d.booked().CPU), append(memory, d.booked().Memory)
		}
	}
	if len(cpu) == 0 {
		return Load{}
	}
	slices.Sort(cpu)
	slices.Sort(memory)
	return Load{CPU: cpu[len(cpu)/2], Memory: memory[len(memory)/2]}
}
