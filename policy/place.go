package policy

import "slices"

// target is a host that takes domains in, with what it has room for.
type target struct {
	host *Host
	room Load
}

// targets divides the hosts into those that take something in, and those that
// take nothing whatever it is, with the reason.
func (c *Config) targets(v View, from HostID) (open []target, closed []Verdict) {
	for i := range v.Hosts {
		h := &v.Hosts[i]
		if h.ID == from {
			continue
		}
		if why := c.admit(v.Now, h, "", &Move{From: from, To: h.ID}); why != OK {
			closed = append(closed, Verdict{Host: h.ID, Reason: why})
			continue
		}
		most := Load{CPU: c.Marks.Receive.of(h.Capacity.CPU), Memory: Bytes(float64(c.MemoryReceive) * float64(h.Capacity.Memory))}
		open = append(open, target{h, most.Minus(h.Committed())})
	}
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
}

// place draws a target for the domain from the hosts that can take it; the
// result is false when none can.
//
// The draw is random, weighted by what would be left free: were everybody to
// choose the emptiest host, everybody would queue at the same door (Mitzenmacher,
// "How useful is old information?", IEEE TPDS 2000). It is seeded by the view,
// so the same view draws the same host.
func (c *Config) place(ch *choice, cand *candidate) (Move, bool) {
	free := func(t *target) float64 {
		return float64(1 - newMove(&ch.from, t.host, cand, ch.why).ToAfter)
	}
	var able []*target
	total := 0.0
	for i := range ch.open {
		t := &ch.open[i]
		if c.refusal(ch, cand, t) == OK {
			able = append(able, t)
			total += free(t)
		}
	}
	if len(able) == 0 {
		return Move{}, false
	}
	draw := total * newRandom(ch.view, cand.domain.ID).float()
	drawn := able[len(able)-1]
	for _, t := range able {
		if draw -= free(t); draw < 0 {
			drawn = t
			break
		}
	}
	return newMove(&ch.from, drawn.host, cand, ch.why), true
}

// refusal is why the domain cannot go to an open host. What is cheap to see
// comes first: most hosts of a full fleet have too little room.
func (c *Config) refusal(ch *choice, cand *candidate, t *target) Reason {
	const rounding = 1
	d := &cand.domain
	switch {
	case max(d.Demand.CPU, d.Demand.CPU+d.Trend) > t.room.CPU+rounding:
		return HostOverReceive
	case max(d.Demand.Memory, d.MemoryMax) > t.room.Memory+rounding:
		return HostMemory
	case !d.welcomes(t.host):
		return LabelMissing
	case ch.state.backedOff(ch.view.Now, d.ID, t.host.ID):
		return HostBackoff
	}
	m := newMove(&ch.from, t.host, cand, ch.why)
	if why := c.admit(ch.view.Now, t.host, "", &m); why != OK {
		return why
	}
	if ch.why != Drain && ch.why != RuleBroken && m.ToAfter > m.FromBefore-c.MinGain {
		return NoGain
	}
	return OK
}

// refusals say of hosts why they do not take the domain. In a large fleet the
// list would be longer than anybody reads, so it ends after some; Explain
// answers for any pair.
func (c *Config) refusals(ch *choice, cand *candidate) []Verdict {
	const listed = 16
	d := cand.domain
	var all []Verdict
	for i := range ch.open {
		t := &ch.open[i]
		if len(all) == listed {
			return all
		}
		all = append(all, Verdict{Domain: d.ID, Name: d.Name, Host: t.host.ID, Reason: c.refusal(ch, cand, t)})
	}
	for _, v := range ch.closed[:min(len(ch.closed), listed-len(all))] {
		all = append(all, Verdict{Domain: d.ID, Name: d.Name, Host: v.Host, Reason: v.Reason})
	}
	return all
}

// welcomes reports whether the host has every label that the domain requires.
func (d *Domain) welcomes(h *Host) bool {
	for _, label := range d.Requires {
		if !slices.Contains(h.Labels, label) {
			return false
		}
	}
	return true
}

// newMove predicts what moving the candidate does to both hosts, as they are
// now. The forecasts of both enter elsewhere: the source's into what relief is
// sought, the target's into whether it admits.
func newMove(from, to *Host, cand *candidate, why Reason) Move {
	d := cand.domain
	cpu := Load{CPU: d.Demand.CPU}
	there := to.Used.Plus(to.Promised)
	return Move{
		Domain: d.ID, Name: d.Name, From: from.ID, To: to.ID, Why: why,
		Load: d.Demand, Trend: d.Trend, MemoryMax: d.MemoryMax, VCPUs: d.VCPUs,
		FromBefore: from.Used.Share(CPU, from.Capacity),
		FromAfter:  from.Used.Minus(cpu).Share(CPU, from.Capacity),
		ToBefore:   there.Share(CPU, to.Capacity),
		ToAfter:    there.Plus(cpu).Share(CPU, to.Capacity),
		Duration:   cand.cost,
	}
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

// float returns the next number in [0, 1).
func (r *random) float() float64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}
