package policy

import (
	"cmp"
	"slices"
	"time"
)

// When no host has room for any domain that would relieve a hot one, a domain
// of another host may stand in the way: hosts with room for 2 CPUs each do not
// take a domain of 3, though together they have enough. Then the hot host asks
// the one that needs to give the least (Move.Back). That one, which alone knows
// its domains, chooses:
//
//   - It gives something smaller to a third host and answers HostMakesRoom. When
//     that has left, the hot host finds room as always. Every step is an ordinary
//     move, by the ordinary limits.
//   - Where no third host takes it, the two hosts exchange: the big domain comes
//     first, and may bring the host above its receive mark, never above its stop
//     mark; then the smaller one goes back, and may bring the hot host up to its
//     stop mark. If the second half comes to nothing, both hosts are still below
//     the mark at which relief ends.
//
// What has been agreed is in State: the Debt of the one, and what the other
// Awaits. Both end by themselves. Neither half flaps: both domains are in their
// cooldown, and neither host swaps again for the length of one.

// Debt is what a host has agreed to give away.
type Debt struct {
	Domain DomainID `json:"domain"`
	// To takes it in exchange, once For has arrived; if empty anybody but Source
	// may, at once.
	To     HostID    `json:"to,omitempty"`
	For    DomainID  `json:"for"`
	Source HostID    `json:"source"`
	Until  time.Time `json:"until"`
}

// Awaited is what a host may get back: at most so much, from one host.
type Awaited struct {
	From  HostID    `json:"from"`
	Most  Load      `json:"most"`
	Until time.Time `json:"until"`
}

// swapPatience is how long the second step of a swap is waited for. It is time
// enough for measured loads to show the first.
const swapPatience = 10 * time.Minute

// swapPause is the time between two questions for a swap.
const swapPause = 2 * time.Minute

// Answer is the target's whole answer to a request for room: that of Admit, and
// where there is no room, whether the host makes some. The state remembers what
// it has agreed to.
func (c Config) Answer(v View, s State, m Move) (Reason, State) {
	why := c.Admit(v, m)
	if why != HostOverReceive && why != HostMemory {
		return why, s
	}
	self, _ := v.Host(v.Self)
	if rule := v.objection(&self, &m); rule != OK {
		return rule, s
	}
	if m.Why == Swap && s.Awaited.covers(v.Now, &m) {
		if why = c.admitUpTo(c.Marks.Stop, v.Now, v.counted(&self), v.Self, m.From, m.Booked()); why == OK {
			s.Awaited = Awaited{}
		}
		return why, s
	}
	if m.Back == nil || !c.Swaps || v.Now.Before(s.NoSwapUntil) || v.Now.Before(s.Debt.Until) ||
		v.Conditions.Mode != AutoMode || v.Conditions.Closed || v.Conditions.Paused || c.gate(v, s, self, Swap) != OK {
		return why, s
	}
	debt, ok := c.makeRoom(v, s, &m)
	if !ok {
		return why, s
	}
	s.Debt = debt
	s.NoSwapUntil = v.Now.Add(c.Cooldown)
	if debt.To == "" {
		return HostMakesRoom, s
	}
	return OK, s
}

func (a Awaited) covers(now time.Time, m *Move) bool {
	b := m.Booked()
	return a.From == m.From && now.Before(a.Until) && b.CPU <= a.Most.CPU && b.Memory <= a.Most.Memory
}

// makeRoom chooses the domain that takes the least time to move of those that
// are smaller than the one that asks and leave room enough for it.
func (c *Config) makeRoom(v View, s State, m *Move) (Debt, bool) {
	source, ok := v.Host(m.From)
	if !ok {
		return Debt{}, false
	}
	ch := c.without(v, s, m.From)
	self := v.counted(&ch.from)
	exchange := c.admitUpTo(c.Marks.Stop, v.Now, self, v.Self, m.From, m.Booked()) == OK
	var best, swap *candidate
	for i := range v.Domains {
		d := &v.Domains[i]
		left := *self
		left.Used = left.Used.Minus(d.Demand)
		left.Ahead -= d.Demand.Share(CPU, self.Capacity)
		cand := c.swappable(&v, d)
		if cand == nil || d.Demand.CPU >= m.Load.CPU || c.admit(v.Now, &left, v.Self, m.From, m.Booked()) != OK {
			continue // or too little
		}
		if cand.sooner(best) && slices.ContainsFunc(ch.open, func(t target) bool { return c.refusal(ch, cand, &t) == OK }) {
			best = cand
		}
		goes := newMove(self, &target{host: &source}, cand, Swap)
		back := Awaited{From: self.ID, Most: *m.Back, Until: v.Now.Add(swapPatience)}
		if exchange && cand.sooner(swap) && back.covers(v.Now, &goes) && d.welcomes(&source) && cand.ruledOut(&source) == OK &&
			s.avoids(v.Now, d.ID, source.ID) == OK && !c.returns(Swap, v.Now, d, source.ID) {
			swap = cand
		}
	}
	debt := Debt{For: m.Domain, Source: m.From, Until: v.Now.Add(swapPatience)}
	switch {
	case best != nil:
		debt.Domain = best.domain.ID
	case swap != nil:
		debt.Domain, debt.To = swap.domain.ID, m.From
		debt.Until = debt.Until.Add(3 * m.Duration)
	default:
		return Debt{}, false
	}
	return debt, true
}

// swappable is the domain as a candidate to make room by; nil if it must stay.
func (c *Config) swappable(v *View, d *Domain) *candidate {
	if obstruction(d) != OK || !c.CooledDown(d.History, v.Now) || v.rooted(d) ||
		d.Override != NoOverride || d.Priority >= HighestPriority {
		return nil
	}
	return &candidate{domain: d, cost: c.predict(d), wishes: c.wishes(v, d)}
}

// sooner compares by predicted duration, then ID.
func (cand *candidate) sooner(than *candidate) bool {
	return than == nil || cmp.Or(cmp.Compare(cand.cost, than.cost), cmp.Compare(cand.domain.ID, than.domain.ID)) < 0
}

// without is the choice among all hosts but one.
func (c *Config) without(v View, s State, other HostID) *choice {
	ch := &choice{view: v, state: s, why: Swap}
	ch.from, _ = v.Host(v.Self)
	ch.open, ch.closed = c.targets(v)
	ch.open = slices.DeleteFunc(ch.open, func(t target) bool { return t.host.ID == other })
	ch.most = widest(ch.open)
	return ch
}

// payDebt is the decision that gives away what was agreed on, if that is due
// and can be done.
func (c Config) payDebt(v View, s State, self Host, d Decision) Decision {
	debt := s.Debt
	if debt.Domain == "" || !v.Now.Before(debt.Until) || c.gate(v, s, self, Swap) != OK {
		return d
	}
	dom, ok := v.Domain(debt.Domain)
	arrived, here := v.Domain(debt.For)
	if !ok || debt.To != "" && (!here || arrived.Obstacle == JobActive) {
		return d
	}
	cand := c.swappable(&v, &dom)
	if cand == nil {
		return d
	}
	m, ok := Move{}, false
	if debt.To == "" {
		m, ok = c.place(c.without(v, s, debt.Source), cand)
	} else if to, known := v.Host(debt.To); known && s.avoids(v.Now, dom.ID, debt.To) == OK {
		m = newMove(&self, &target{host: v.counted(&to)}, cand, Swap)
		ok = c.admitUpTo(c.Marks.Stop, v.Now, v.counted(&to), "", v.Self, m.Booked()) == OK
	}
	if !ok {
		return d
	}
	d = d.hold(v, NotNeeded)
	d.Plan = []Move{m}
	d.Verdicts = slices.DeleteFunc(d.Verdicts, func(x Verdict) bool { return x.Domain == m.Domain })
	d.Hold = OK
	return d
}

// proposeSwap is the decision to ask for room where there is none: for the
// best domain that any host could make room for, the host that has to give the
// least.
func (c Config) proposeSwap(v View, s State, self Host, why Reason, d Decision) Decision {
	if !c.Swaps || why != Overload && why != Contention || v.Now.Before(s.NoSwapUntil) {
		return d
	}
	movable, _ := c.candidates(v, self, why)
	hosts := make([]*Host, len(v.Hosts))
	for i := range hosts {
		hosts[i] = v.counted(&v.Hosts[i])
	}
	for i := range movable {
		c.wish(&v, &movable[i])
		m, ok := c.bestSwap(&v, s, hosts, why, &movable[i])
		if !ok {
			continue
		}
		d.Plan = []Move{m}
		d.Verdicts = slices.DeleteFunc(d.Verdicts, func(x Verdict) bool { return x.Domain == m.Domain || x.Host != "" })
		for k := range d.Verdicts {
			if x := &d.Verdicts[k]; x.Reason == NoFeasibleHost {
				x.Reason = NotNeeded
			}
		}
		return d
	}
	return d
}

// bestSwap asks the host that lacks the least.
func (c *Config) bestSwap(v *View, s State, hosts []*Host, why Reason, cand *candidate) (best Move, found bool) {
	d := cand.domain
	self := hosts[slices.IndexFunc(hosts, func(h *Host) bool { return h.ID == v.Self })]
	after := self.Committed()
	after.CPU = max(self.Used.CPU, max(v.Utilization.Recent, v.Utilization.Ahead).of(self.Capacity.CPU))
	after = after.Minus(d.Demand)
	back := Load{CPU: c.Marks.Stop.of(self.Capacity.CPU), Memory: c.most(self).Memory}.Minus(after)
	least := MilliCPU(0)
	for _, h := range hosts {
		if h == self || !d.welcomes(h) || cand.ruledOut(h) != OK || s.avoids(v.Now, d.ID, h.ID) != OK || c.returns(why, v.Now, d, h.ID) {
			continue
		}
		m := newMove(self, &target{host: h}, cand, why)
		// What the host would have to give.
		lacks := h.Committed().Plus(m.Booked()).Minus(c.most(h))
		if lacks.CPU >= d.Demand.CPU { // nothing smaller would do
			continue
		}
		exchange := c.admitUpTo(c.Marks.Stop, v.Now, h, "", v.Self, m.Booked()) == OK && m.ToAfter <= m.FromBefore-c.MinGain &&
			lacks.CPU <= back.CPU && lacks.Memory <= back.Memory
		if !exchange && !c.thirdHost(v, hosts, h, &m, lacks) {
			continue
		}
		if !found || cmp.Or(cmp.Compare(lacks.CPU, least), cmp.Compare(h.ID, best.To)) < 0 {
			m.Back = &back
			best, least, found = m, lacks.CPU, true
		}
	}
	return best, found
}

// most is what a host may be filled with.
func (c *Config) most(h *Host) Load {
	return Load{CPU: c.Marks.Receive.of(h.Capacity.CPU), Memory: Bytes(float64(c.MemoryReceive) * float64(h.Capacity.Memory))}
}

// thirdHost reports whether some other host has room for what h lacks, and
// nothing but room keeps h from taking the domain.
func (c *Config) thirdHost(v *View, hosts []*Host, h *Host, m *Move, lacks Load) bool {
	const plenty = 1 << 40
	roomy := *h
	roomy.Capacity = Load{CPU: plenty, Memory: plenty * KiB}
	if c.admit(v.Now, &roomy, "", v.Self, m.Booked()) != OK {
		return false
	}
	return slices.ContainsFunc(hosts, func(o *Host) bool {
		return o.ID != v.Self && o != h && c.admit(v.Now, o, "", h.ID, lacks) == OK
	})
}

// NoDebt returns the state without the debt for a domain that does not come.
func (s State) NoDebt(d DomainID) State {
	if s.Debt.For == d && s.Debt.To != "" {
		s.Debt = Debt{}
	}
	return s
}

// swapped keeps the two halves of a swap in memory after a move of this host.
func (c Config) swapped(s State, now time.Time, m Move, o Outcome) State {
	if o.Result != Succeeded {
		return s
	}
	if m.Back != nil {
		s.Awaited = Awaited{From: m.To, Most: *m.Back, Until: now.Add(swapPatience)}
		s.NoSwapUntil = now.Add(c.Cooldown)
	}
	if m.Why == Swap && m.Domain == s.Debt.Domain {
		s.Debt = Debt{}
	}
	return s
}
