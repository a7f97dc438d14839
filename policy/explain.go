package policy

// Explain says why a domain of the view would or would not go to a host now:
// OK if it could. It answers the question that a decision's verdicts leave open
// in a large fleet, where not every pair is listed.
//
// What speaks against the move altogether comes first (the domain cannot move),
// then what speaks against the host. Whether the source needs relief is not
// asked; Decision.Hold says that.
func (c Config) Explain(v View, s State, id DomainID, to HostID) Reason {
	self, ok := v.Host(v.Self)
	if !ok {
		return NoSample
	}
	d, ok := v.Domain(id)
	if !ok {
		return SourceGone
	}
	if why := obstruction(&d); why != OK {
		return why
	}
	rule := c.broken(&v, &self, &d)
	switch {
	case d.Override == NeverMove:
		return PersonsOnly
	case rule != LabelMissing && rule != AffinityGroup && v.rooted(&d):
		return GroupHere
	case (rule == OK || rule == AffinityGroup) && !c.CooledDown(d.History, v.Now):
		return CoolingDown
	}
	if to == self.ID {
		return SameHost
	}
	h, ok := v.Host(to)
	if !ok {
		return HostStale
	}
	one := v
	one.Hosts = []Host{h}
	open, closed := c.targets(one)
	if len(open) == 0 {
		return closed[0].Reason
	}
	ch := &choice{view: v, state: s, from: self, why: Overload, open: open}
	if rule != OK {
		ch.why = RuleBroken // then it need not gain anything
	}
	return c.refusal(ch, &candidate{domain: &d, cost: c.predict(&d), wishes: c.wishes(&v, &d)}, &open[0])
}
