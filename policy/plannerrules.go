package policy

import "slices"

// permits reports whether the rules of a domain let it go to the host. Where an
// affinity group is does not enter here: see mayMove and mended.
func (h *boardHost) permits(r *Rules) bool {
	if !h.hasAll(r.Requires) {
		return false
	}
	if len(r.Groups) == 0 {
		return true
	}
	return !slices.ContainsFunc(h.domains, func(o boardDomain) bool { return clashes(r.Groups, o.rules.Groups) })
}

// denies counts the soft wishes of a domain's groups that the host does not grant.
// One for a group that is nowhere is denied by all, which makes no difference.
func (h *boardHost) denies(d *boardDomain) int {
	n := 0
	for _, m := range d.rules.Groups {
		if !m.Soft {
			continue
		}
		beside := slices.ContainsFunc(h.domains, func(o boardDomain) bool { return m.among(o.rules.Groups) })
		if beside == (m.Rule == AntiAffinity) {
			n++
		}
	}
	return n
}

// able reports whether a planner may move a domain at all.
func able(d *Domain) bool {
	return obstruction(d) == OK && d.Override != NeverMove && !d.Pin && !d.Ignore
}

// ruling is what in a snapshot decides whether rules let a domain move for the
// sake of load.
type ruling struct {
	contention Fraction
	waits      map[HostID]Fraction // the longest of the host's domains
	members    map[string]int      // of affinity groups, in the whole fleet
}

func newRuling(c Config, s Snapshot) ruling {
	r := ruling{contention: c.contention(), waits: map[HostID]Fraction{}, members: map[string]int{}}
	for i := range s.Domains {
		d := &s.Domains[i]
		r.waits[d.Host] = max(r.waits[d.Host], d.Wait)
		for _, m := range d.Groups {
			if m.Rule == Affinity {
				r.members[m.Group]++
			}
		}
	}
	return r
}

// mayMove is false for a domain that hard affinity binds to others, wherever they
// are, and where nobody on the host waits for one of the highest priority.
func (r *ruling) mayMove(d *PlacedDomain) bool {
	for group := range d.hardAffinity {
		if r.members[group] > 1 {
			return false
		}
	}
	return d.Priority < HighestPriority || r.waits[d.Host] >= r.contention
}
