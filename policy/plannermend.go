package policy

import (
	"cmp"
	"slices"
)

// mend moves the domains that break a hard rule where they are, by the rules by
// which each daemon does (Config.mending): whatever the load and, save that a
// group gathers at leisure, their cooldown; those that cost least first; and only
// to hosts that keep all hard rules and are not above the ceiling with them. What
// finds no such host stays.
func (b *board) mend(limit int) {
	g := b.gather()
	for again := true; again; {
		again = false
		for from := range b.hosts {
			for _, id := range b.ruled(from) {
				if len(b.moves) >= limit {
					return
				}
				i := b.find(from, id)
				d := b.hosts[from].domains[i]
				if !d.able || !b.mendable(g, from, d) {
					continue
				}
				if to := b.mended(g, from, d); to >= 0 {
					b.move(from, i, to, RuleBroken)
					g.move(d, from, to)
					again = true
				}
			}
		}
	}
}

// ruled are the domains of a host that may break a rule, in the order in which
// they are tried.
func (b *board) ruled(host int) []DomainID {
	var some []boardDomain
	for _, d := range b.hosts[host].domains {
		if len(d.rules.Requires)+len(d.rules.Groups) > 0 {
			some = append(some, d)
		}
	}
	slices.SortFunc(some, func(x, y boardDomain) int {
		return cmp.Or(x.rules.later(y.rules), cmp.Compare(x.held, y.held), cmp.Compare(x.cpu, y.cpu), cmp.Compare(x.id, y.id))
	})
	ids := make([]DomainID, len(some))
	for i := range some {
		ids[i] = some[i].id
	}
	return ids
}

// later orders domains by whom to move first: those that somebody has to agree
// to after the others, then the lowest priority first.
func (r *Rules) later(than *Rules) int {
	return cmp.Or(cmp.Compare(r.Override, than.Override), cmp.Compare(r.Priority, than.Priority))
}

// mendable reports whether the domain breaks a hard rule where it is, and may
// move for it.
func (b *board) mendable(g gathering, from int, d boardDomain) bool {
	h := &b.hosts[from]
	switch {
	case !h.hasAll(d.rules.Requires):
		return true
	case h.crowds(&d):
		return !g.rooted(from, d)
	}
	for group := range d.rules.hardAffinity {
		if home := b.home(g, from, group, true); home >= 0 && home != from {
			return d.cooled
		}
	}
	return false
}

// mended is the host where the domain breaks no rule: where its groups are, if
// it has any, else the emptiest; -1 if there is none. A rule may take it back to
// where it came from.
func (b *board) mended(g gathering, from int, d boardDomain) int {
	d.cameFrom = ""
	to := -1
	for group := range d.rules.hardAffinity {
		home := b.home(g, from, group, false)
		if home >= 0 && to >= 0 && home != to {
			return -1 // two groups, in two places
		}
		to = max(to, home)
	}
	switch {
	case to < 0:
		return b.emptiest(from, &d, b.ceiling())
	case b.accepts(to, &d, b.ceiling()):
		return to
	default:
		return -1
	}
}

// crowds reports whether the domain runs on the host beside one that it must be
// apart from. One that is on its way is none: it may be leaving for that reason.
func (h *boardHost) crowds(d *boardDomain) bool {
	return slices.ContainsFunc(h.domains, func(o boardDomain) bool {
		return o.id != d.id && !o.leaving && clashes(d.rules.Groups, o.rules.Groups)
	})
}

// hasAll reports whether the host has all of the labels.
func (h *boardHost) hasAll(labels []string) bool {
	return !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(h.labels, l) })
}

// hardAffinity yields the affinity groups that the domain must be with.
func (r *Rules) hardAffinity(yield func(group string) bool) {
	for _, m := range r.Groups {
		if m.Rule == Affinity && !m.Soft && !yield(m.Group) {
			return
		}
	}
}

// gathering counts the members of affinity groups, by group and host.
type gathering map[string]map[int]int

func (b *board) gather() gathering {
	g := gathering{}
	for i := range b.hosts {
		for _, d := range b.hosts[i].domains {
			g.add(d, i, 1)
		}
	}
	return g
}

func (g gathering) add(d boardDomain, host, n int) {
	for _, m := range d.rules.Groups {
		if m.Rule != Affinity {
			continue
		}
		if g[m.Group] == nil {
			g[m.Group] = map[int]int{}
		}
		g[m.Group][host] += n
	}
}

func (g gathering) move(d boardDomain, from, to int) {
	g.add(d, from, -1)
	g.add(d, to, 1)
}

// rooted reports whether others of a group that the domain must be with are on
// its host.
func (g gathering) rooted(host int, d boardDomain) bool {
	for group := range d.rules.hardAffinity {
		if g[group][host] > 1 {
			return true
		}
	}
	return false
}

// home is where a group is to gather, as Config.home has it for a host of the
// group, itself counted or not; -1 if nowhere. As there, more than four members
// are four: otherwise the plan would send a group where no daemon does.
func (b *board) home(g gathering, self int, group string, withSelf bool) int {
	best, most, mixed := -1, 0, uint64(0)
	for host, members := range g[group] {
		if members == 0 || host == self && !withSelf || host != self && b.hosts[host].closed {
			continue
		}
		members = min(members, 1<<memberBits)
		mix := mix64(string(b.hosts[host].id), group)
		// Two hosts with the same hash: the first, as hosts are in the order of their IDs.
		if cmp.Or(cmp.Compare(members, most), cmp.Compare(mix, mixed), cmp.Compare(best, host)) > 0 {
			best, most, mixed = host, members, mix
		}
	}
	return best
}
