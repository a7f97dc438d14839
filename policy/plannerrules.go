package policy

import "slices"

// permits reports whether the rules of a domain let it go to the host.
func (h *boardHost) permits(r *Rules) bool {
	for _, label := range r.Requires {
		if !slices.Contains(h.labels, label) {
			return false
		}
	}
	if len(r.Groups) == 0 {
		return true
	}
	return !slices.ContainsFunc(h.domains, func(o boardDomain) bool { return clashes(r.Groups, o.rules.Groups) })
}

// plannable reports whether the rules of a domain let a planner move it: not if
// only persons do, not of the highest priority, and no member of a hard affinity
// group, which would have to move as a whole.
func plannable(r *Rules) bool {
	together := func(m Membership) bool { return m.Rule == Affinity && !m.Soft }
	return r.Override != NeverMove && r.Priority < HighestPriority && !slices.ContainsFunc(r.Groups, together)
}
