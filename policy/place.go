package policy

// place draws a target for the domain from the hosts that can take it, and
// says of every other host why it cannot. The first result is false when none
// can.
//
// The draw is random, weighted by what would be left free: were everybody to
// choose the emptiest host, everybody would queue at the same door (Mitzenmacher,
// "How useful is old information?", IEEE TPDS 2000). It is seeded by the view,
// so the same view draws the same host.
func (c Config) place(v View, s State, from Host, cand candidate, purpose Reason) (Move, bool, []Verdict) {
	type option struct {
		move Move
		room float64
	}
	var options []option
	var refusals []Verdict
	total := 0.0
	d := cand.domain
	for _, h := range v.Hosts {
		m := newMove(from, h, cand, purpose)
		why := c.admit(v.Now, h, "", m)
		switch {
		case why != OK:
		case s.backedOff(v.Now, d.ID, h.ID):
			why = HostBackoff
		case purpose != Drain && m.ToAfter > m.FromBefore-c.MinGain:
			why = NoGain
		}
		if why != OK {
			if h.ID != from.ID {
				refusals = append(refusals, Verdict{Domain: d.ID, Name: d.Name, Host: h.ID, Reason: why})
			}
			continue
		}
		room := float64(1 - m.ToAfter)
		options = append(options, option{m, room})
		total += room
	}
	if len(options) == 0 {
		return Move{}, false, refusals
	}
	draw := total * newRandom(v, d.ID).float()
	for _, o := range options {
		if draw -= o.room; draw < 0 {
			return o.move, true, refusals
		}
	}
	return options[len(options)-1].move, true, refusals
}

// newMove predicts what moving the candidate does to both hosts, as they are
// now. The forecasts of both enter elsewhere: the source's into what relief is
// sought, the target's into whether it admits.
func newMove(from, to Host, cand candidate, why Reason) Move {
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
