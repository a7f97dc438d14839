package policy

// Order is a move that a person wants: one of his own, or one that was proposed.
type Order struct {
	Domain DomainID
	To     HostID
	// Why is Manual, or why the move was proposed.
	Why Reason
	// ForceLoad lets a manual move fill the target above its receive mark, up
	// to the critical one. Nothing lifts the limit on memory.
	ForceLoad bool
}

// Order turns what a person wants into a move, or says why it is not to be.
//
// A manual move is not asked whether it is needed, gains anything or comes too
// soon after another. Whether it can be made, and whether the target has room and
// may run the domain, is asked of every move.
func (c Config) Order(v View, s State, o Order) (Move, Reason) {
	self, ok := v.Host(v.Self)
	if !ok {
		return Move{}, NoSample
	}
	d, ok := v.Domain(o.Domain)
	if !ok {
		return Move{}, SourceGone
	}
	if why := c.orderGate(v, s, self, o); why != OK {
		return Move{}, why
	}
	if why := obstruction(&d); why != OK {
		return Move{}, why
	}
	if o.To == self.ID {
		return Move{}, SameHost
	}
	target, ok := v.Host(o.To)
	if !ok {
		return Move{}, HostStale
	}
	if o.Why == Manual {
		s.Backoffs, s.Quarantines = nil, nil
		if o.ForceLoad {
			c = c.forced()
		}
	}
	cand := candidate{domain: &d, cost: c.predict(&d), wishes: c.wishes(&v, &d)}
	v.Hosts = []Host{target}
	open, closed := c.targets(v)
	if len(open) == 0 {
		return Move{}, closed[0].Reason
	}
	ch := &choice{view: v, state: s, from: self, why: o.Why, open: open}
	if why := c.refusal(ch, &cand, &open[0]); why != OK {
		return Move{}, why
	}
	m := newMove(&self, &open[0], &cand, o.Why)
	m.ForceLoad = o.Why == Manual && o.ForceLoad
	return m, OK
}

// orderGate is why this host must start nothing, whoever wants it.
func (c Config) orderGate(v View, s State, self Host, o Order) Reason {
	if o.Why != Manual {
		return c.gate(v, s, self, o.Why)
	}
	switch {
	case v.Conditions.Frozen:
		return FrozenHost
	case v.Conditions.Conflict:
		return NameConflict
	case v.Conditions.JournalUnwritable:
		return JournalUnwritable
	case self.Outbound >= c.MaxOutbound:
		return InFlight
	default:
		return OK
	}
}

// forced is the configuration by which a person's own move is judged that may
// fill its target: only what is critical is too much.
func (c Config) forced() Config {
	c.Marks.Receive = c.Marks.Critical
	return c
}
