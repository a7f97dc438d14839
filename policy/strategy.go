package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Strategy is what a host does beyond relieving itself. Relief always comes
// first, and every strategy moves one domain at a time, by the same limits,
// cooldowns and gates.
type Strategy uint8

// The strategies.
const (
	// ThresholdStrategy relieves overload, with the fewest moves, and does
	// nothing else.
	ThresholdStrategy Strategy = iota
	// SpreadStrategy also evens the load out: a host that is above the mean by
	// more than the tolerance gives to one that is below.
	SpreadStrategy
	// ConsolidateStrategy also empties hosts: one after the other, each wholly
	// or not at all.
	ConsolidateStrategy
	// PerformanceStrategy looks at who waits for a CPU instead of how much of it
	// is used, and prefers targets where nobody does.
	PerformanceStrategy
)

var strategyNames = [...]string{"threshold", "spread", "consolidate", "performance"}

// Strategies returns every strategy.
func Strategies() []Strategy {
	return []Strategy{ThresholdStrategy, SpreadStrategy, ConsolidateStrategy, PerformanceStrategy}
}

// String names the strategy as the configuration does.
func (s Strategy) String() string {
	if int(s) < len(strategyNames) {
		return strategyNames[s]
	}
	return fmt.Sprintf("strategy(%d)", uint8(s))
}

// ParseStrategy is the inverse of Strategy.String.
func ParseStrategy(name string) (Strategy, error) {
	for _, s := range Strategies() {
		if s.String() == name {
			return s, nil
		}
	}
	return ThresholdStrategy, fmt.Errorf("strategy %q is not one of threshold, spread, consolidate, performance", name)
}

// MarshalText writes the name.
func (s Strategy) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name.
func (s *Strategy) UnmarshalText(b []byte) (err error) {
	*s, err = ParseStrategy(string(b))
	return err
}

// inForce is the configuration with what its strategy implies.
func (c Config) inForce() Config {
	const usual = 0.10 // VMware's mark for a problem of "CPU ready"
	if c.Strategy == PerformanceStrategy && c.WaitHigh == 0 {
		c.WaitHigh = usual
	}
	return c
}

// strategic is what the strategy of a host that needs no relief proposes.
func (c Config) strategic(v View, s State, self Host, d Decision) (Decision, State) {
	switch c.Strategy {
	case SpreadStrategy:
		return c.spreadOut(v, s, self, d), s
	case ConsolidateStrategy:
		return c.empty(v, s, self, d)
	default:
		return d, s
	}
}

// chosen is the decision for one move, all others staying.
func (d Decision) chosen(v View, m Move) Decision {
	d = d.hold(v, NotNeeded)
	d.Verdicts = slices.DeleteFunc(d.Verdicts, func(x Verdict) bool { return x.Domain == m.Domain })
	d.Plan, d.Hold = []Move{m}, OK
	return d
}

// takesPart reports whether a host belongs to the group that a strategy is for.
func (c *Config) takesPart(h *Host) bool {
	return c.Group == "" || slices.Contains(h.Labels, c.Group)
}

// spreadOut gives one domain away if the host is above the mean of its group by
// more than the tolerance. Of all moves after which neither host is, it makes
// the one that lowers the sum of the squared loads the most: so each move makes
// the pair more even, and the fleet comes to rest.
func (c Config) spreadOut(v View, s State, self Host, d Decision) Decision {
	const tolerance = 0.10
	ch := &choice{view: v, state: s, from: self, why: Spread}
	ch.open, ch.closed = c.targets(v)
	ch.open = slices.DeleteFunc(ch.open, func(t target) bool { return !c.takesPart(t.host) })
	if !c.takesPart(&self) || len(ch.open) == 0 {
		return d
	}
	used, capacity := self.Used.CPU, self.Capacity.CPU
	for i := range ch.open {
		used += ch.open[i].host.Committed().CPU
		capacity += ch.open[i].host.Capacity.CPU
	}
	mean := ratio(float64(used), float64(capacity))
	from := self.Used.Share(CPU, self.Capacity)
	if from <= mean+tolerance {
		return d
	}
	const least = 1e-4 // of a squared share: one point of an even host
	best, most, found := Move{}, Fraction(least), false
	movable, _ := c.candidates(v, self, Spread)
	for i := range movable {
		cand := &movable[i]
		c.wish(&v, cand)
		for k := range ch.open {
			t := &ch.open[k]
			m := newMove(&self, t, cand, Spread)
			gain := from*from + m.ToBefore*m.ToBefore - m.FromAfter*m.FromAfter - m.ToAfter*m.ToAfter
			if gain > most && m.ToAfter <= mean+tolerance && c.refusal(ch, cand, t) == OK {
				best, most, found = m, gain, true
			}
		}
	}
	if !found {
		return d
	}
	return d.chosen(v, best)
}

// empty gives the domains of the host away, one after the other, if all of them
// have room on hosts that run something, and these can then still bear the loss
// of one of them.
//
// Hosts that could be emptied say so (the Emptying flag) for the time of Settle
// before they begin; of those that say so the least loaded begins. Nobody begins
// while any host is above its high mark, and one that has begun and finds no
// room for the rest stops.
func (c Config) empty(v View, s State, self Host, d Decision) (Decision, State) {
	m, ok := c.evacuation(v, s, self)
	if !ok {
		s.Emptying = time.Time{}
		return d, s
	}
	if s.Emptying.IsZero() {
		s.Emptying = v.Now
	}
	first := v.Now.Sub(s.Emptying) >= c.Settle
	for i := range v.Hosts {
		h := &v.Hosts[i]
		if h.ID == v.Self || !h.Flags.Has(Emptying) || !c.takesPart(h) || v.Now.Sub(h.Received) > c.StaleAfter {
			continue
		}
		mine, theirs := self.Used.Share(CPU, self.Capacity), h.Used.Share(CPU, h.Capacity)
		if cmp.Or(cmp.Compare(theirs, mine), cmp.Compare(h.ID, self.ID)) < 0 {
			first = false
		}
	}
	if !first {
		return d, s
	}
	return d.chosen(v, m), s
}

// evacuation is the first move of a plan that empties the host: largest first,
// each to the fullest host that takes it; false if one of the domains finds no
// place.
func (c Config) evacuation(v View, s State, self Host) (Move, bool) {
	if !c.takesPart(&self) || self.Flags&(Cordoned|Draining|Frozen) != 0 {
		return Move{}, false
	}
	for i := range v.Hosts {
		if h := &v.Hosts[i]; h.Band >= BandHigh || h.Utilization(CPU) >= c.Marks.High || h.Flags.Has(Draining) {
			return Move{}, false // its domains need the room
		}
	}
	ch := &choice{view: v, state: s, from: self, why: Consolidating}
	ch.open, ch.closed = c.targets(v)
	ch.open = slices.DeleteFunc(ch.open, func(t target) bool {
		return !c.takesPart(t.host) || t.host.Running == 0 || t.host.Flags.Has(Emptying)
	})
	movable, _ := c.candidates(v, self, Consolidating)
	if len(movable) < len(v.Domains) || len(movable) == 0 {
		return Move{}, false
	}
	slices.SortFunc(movable, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.domain.Demand.CPU, a.domain.Demand.CPU), cmp.Compare(a.domain.ID, b.domain.ID))
	})
	var head Move
	for i := range movable {
		cand := &movable[i]
		best := -1
		for k := range ch.open {
			if c.refusal(ch, cand, &ch.open[k]) == OK && (best < 0 || fuller(&ch.open[k], &ch.open[best])) {
				best = k
			}
		}
		if best < 0 {
			return Move{}, false
		}
		t := &ch.open[best]
		if i == 0 {
			head = newMove(&self, t, cand, Consolidating)
		}
		filled := *t.host
		filled.Promised = filled.Promised.Plus(cand.domain.booked())
		*t = target{&filled, c.most(&filled).Minus(filled.Committed())}
	}
	return head, c.bears(ch.open, self)
}

func fuller(a, b *target) bool {
	return cmp.Or(cmp.Compare(b.host.Utilization(CPU), a.host.Utilization(CPU)), cmp.Compare(a.host.ID, b.host.ID)) < 0
}

// bears reports whether the filled hosts can bear the loss of any one of them:
// what it runs fits in sum, up to the high mark, on the others and on so many
// empty hosts as are held in reserve, which are counted as the one just emptied.
func (c *Config) bears(filled []target, emptied Host) bool {
	room := func(h *Host, used Load) Load { return c.roomUpTo(c.Marks.High, h, used) }
	var sum Load
	for i := range filled {
		sum = sum.Plus(room(filled[i].host, filled[i].host.Committed()))
	}
	for range c.Spare {
		sum = sum.Plus(room(&emptied, Load{}))
	}
	for i := range filled {
		h := filled[i].host
		lost := h.Committed()
		if slack(sum.Minus(room(h, lost)), lost) < 0 {
			return false
		}
	}
	return true
}

// Idle names the hosts of the group that run nothing and are not needed: as many
// as Spare, the largest, stay ready. A person may power the others off; nothing
// here does.
func (c Config) Idle(v View) []HostID {
	var idle []*Host
	for i := range v.Hosts {
		h := &v.Hosts[i]
		fresh := h.ID == v.Self || v.Now.Sub(h.Received) <= c.StaleAfter
		if fresh && c.takesPart(h) && h.Running == 0 && h.Inbound == 0 && h.Flags&(Blind|Frozen) == 0 {
			idle = append(idle, h)
		}
	}
	slices.SortFunc(idle, func(a, b *Host) int {
		return cmp.Or(cmp.Compare(b.Capacity.CPU, a.Capacity.CPU), cmp.Compare(a.ID, b.ID))
	})
	var names []HostID
	for _, h := range idle[min(len(idle), c.Spare):] {
		names = append(names, h.ID)
	}
	return names
}
