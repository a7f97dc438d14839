package policy

import (
	"cmp"
	"slices"
)

// target is a host that takes domains in, with what it has room for.
type target struct {
	host *Host
	room Load
}

// targets divides the other hosts into those that take something in, and those
// that take nothing whatever it is, with the reason; both in the order of their
// IDs, so that the order of the view changes no decision.
func (c *Config) targets(v View) (open []target, closed []Verdict) {
	open = make([]target, 0, len(v.Hosts))
	for i := range v.Hosts {
		if v.Hosts[i].ID == v.Self {
			continue
		}
		h := v.counted(&v.Hosts[i])
		if why := c.admit(v.Now, h, "", v.Self, Load{}); why != OK {
			closed = append(closed, Verdict{Host: h.ID, Reason: why})
			continue
		}
		open = append(open, target{h, c.most(h).Minus(h.Committed())})
	}
	slices.SortFunc(open, func(a, b target) int { return cmp.Compare(a.host.ID, b.host.ID) })
	sortVerdicts(closed)
	return open, closed
}

// choice is what place chooses from.
type choice struct {
	view   View
	state  State
	from   Host
	why    Reason
	open   []target
	closed []Verdict
	able   []*target // scratch of place
	// most is the most room that any open host has, of each dimension: what is
	// larger need not be tried on all of them.
	most Load
}

// widest is the most room of each dimension that any of the targets has.
func widest(open []target) Load {
	var most Load
	for i := range open {
		room := open[i].room
		most.CPU, most.Memory = max(most.CPU, room.CPU), max(most.Memory, room.Memory)
	}
	return most
}

// place draws a target for the domain from the hosts that can take it; the
// result is false when none can.
//
// The draw is random, weighted by what would be left free: were everybody to
// choose the emptiest host, everybody would queue at the same door (Mitzenmacher,
// "How useful is old information?", IEEE TPDS 2000). It is seeded by the view,
// so the same view draws the same host. Only hosts that grant the most of the
// soft wishes of the domain's groups take part.
func (c *Config) place(ch *choice, cand *candidate) (Move, bool) {
	free := func(t *target) float64 {
		if c.Strategy == PerformanceStrategy { // where somebody waits already there is less than it seems
			return (1 - float64(t.after(cand))) * max(0, 1-float64(t.host.Pressure))
		}
		return 1 - float64(t.after(cand))
	}
	ch.able = ch.able[:0]
	if overflows(cand.domain.booked(), ch.most) != OK {
		return Move{}, false
	}
	c.wish(&ch.view, cand)
	total, fewest := 0.0, 0
	for i := range ch.open {
		t := &ch.open[i]
		if c.refusal(ch, cand, t) != OK {
			continue
		}
		wishes := cand.unfulfilled(t.host)
		switch {
		case len(ch.able) > 0 && wishes > fewest:
			continue
		case wishes < fewest:
			ch.able, total = ch.able[:0], 0
		}
		fewest = wishes
		ch.able = append(ch.able, t)
		total += free(t)
	}
	if len(ch.able) == 0 {
		return Move{}, false
	}
	draw := total * newRandom(ch.view, cand.domain.ID).float()
	drawn := ch.able[len(ch.able)-1]
	for _, t := range ch.able {
		if draw -= free(t); draw < 0 {
			drawn = t
			break
		}
	}
	return newMove(&ch.from, drawn, cand, ch.why), true
}

// refusal is why the domain cannot go to an open host. What is cheap to see
// comes first: most hosts of a full fleet have too little room.
func (c *Config) refusal(ch *choice, cand *candidate, t *target) Reason {
	d := cand.domain
	booked := d.booked()
	if why := overflows(booked, t.room); why != OK {
		return why
	}
	c.wish(&ch.view, cand)
	switch {
	case !d.welcomes(t.host):
		return LabelMissing
	case cand.ruledOut(t.host) != OK:
		return cand.ruledOut(t.host)
	case ch.state.avoids(ch.view.Now, d.ID, t.host.ID) != OK:
		return ch.state.avoids(ch.view.Now, d.ID, t.host.ID)
	case c.returns(ch.why, ch.view.Now, d, t.host.ID):
		return CameFromThere
	}
	if why := c.overfilled(c.Marks.Receive, t.host, booked); why != OK {
		return why
	}
	if c.mustGain(ch.why) && t.after(cand) > ch.from.Used.Share(CPU, ch.from.Capacity)-c.MinGain {
		return NoGain
	}
	return OK
}

// mustGain reports whether a move for that reason has to lower the higher of the
// two loads; the others are made for something else.
func (c *Config) mustGain(why Reason) bool {
	switch why {
	case Drain, RuleBroken, Swap, Consolidating, Manual:
		return false
	default:
		return true
	}
}

// overflows says in which dimension the load is larger than the room, by more
// than rounding makes it.
func overflows(booked, room Load) Reason {
	const rounding = 1
	switch {
	case booked.CPU > room.CPU+rounding:
		return HostOverReceive
	case booked.Memory > room.Memory+rounding:
		return HostMemory
	default:
		return OK
	}
}

// refusals add, of hosts, why they do not take the domain. In a large fleet the
// list would be longer than anybody reads, so it ends after some; Explain
// answers for any pair.
func (c *Config) refusals(ch *choice, cand *candidate, verdicts []Verdict) []Verdict {
	const listed = 16
	d := cand.domain
	open := ch.open[:min(len(ch.open), listed)]
	closed := ch.closed[:min(len(ch.closed), listed-len(open))]
	verdicts = slices.Grow(verdicts, len(open)+len(closed))
	for i := range open {
		t := &open[i]
		verdicts = append(verdicts, Verdict{Domain: d.ID, Name: d.Name, Host: t.host.ID, Reason: c.refusal(ch, cand, t)})
	}
	for _, v := range closed {
		verdicts = append(verdicts, Verdict{Domain: d.ID, Name: d.Name, Host: v.Host, Reason: v.Reason})
	}
	return verdicts
}

// newMove predicts what moving the candidate does to both hosts, as they are
// now. The forecasts of both enter elsewhere: the source's into what relief is
// sought, the target's into whether it admits.
func newMove(from *Host, t *target, cand *candidate, why Reason) Move {
	d, to := cand.domain, t.host
	return Move{
		Domain: d.ID, Name: d.Name, From: from.ID, To: to.ID, Why: why,
		Load: d.Demand, Wait: d.Wait, Trend: d.Trend, MemoryMax: d.MemoryMax, VCPUs: d.VCPUs,
		FromBefore: from.Used.Share(CPU, from.Capacity),
		FromAfter:  from.Used.Minus(Load{CPU: d.Demand.CPU}).Share(CPU, from.Capacity),
		ToBefore:   to.Used.Plus(to.Promised).Share(CPU, to.Capacity),
		ToAfter:    t.after(cand),
		Duration:   cand.cost,
		Requires:   d.Requires, Groups: d.Groups, Joins: cand.joins(to),
	}
}

// after is the predicted CPU share of the target with the candidate on it.
func (t *target) after(cand *candidate) Fraction {
	cpu := t.host.Used.CPU + t.host.Promised.CPU + cand.domain.Demand.CPU
	return Load{CPU: cpu}.Share(CPU, t.host.Capacity)
}

// random is SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a seeded sequence
// that needs no state outside the decision.
type random uint64

// newRandom seeds a sequence with what identifies one choice: who, when, what.
func newRandom(v View, d DomainID) *random {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	mix := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	mix(string(v.Self))
	mix(string(d))
	r := random(h ^ uint64(v.Now.UnixNano()))
	return &r
}

// mix64 is a hash of two words.
func mix64(a, b string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for _, s := range [...]string{a, "\x00", b} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
	}
	return h
}

// float returns the next number in [0, 1).
func (r *random) float() float64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}
