package policy

import (
	"cmp"
	"slices"
)

// twoMoves is a swap in a plan: in leaves to, for other, and out of the host that
// is relieved takes its place. Where other is that host itself, out goes first.
type twoMoves struct {
	out, to, in, other int
	memory             float64
}

// exchange makes room for a domain of a host that nobody can relieve with
// single moves: something smaller leaves a host that then takes it. Of all pairs
// it makes the one that moves the least memory; false if there is none.
//
// Invariant: with each of the two moves made, its target is below the ceiling,
// save that in an exchange between two hosts the first brings its target no
// higher than the high mark.
func (b *board) exchange(from, limit int) bool {
	if len(b.moves)+2 > limit {
		return false
	}
	best, found := twoMoves{}, false
	for out, d := range b.hosts[from].domains {
		if !d.movable || d.cpu == 0 {
			continue
		}
		for _, to := range b.nearest(from, d) {
			for in, x := range b.hosts[to].domains {
				p := twoMoves{out: out, to: to, in: in, memory: d.memory + x.memory}
				if !x.movable || x.rules.Override != NoOverride || x.cpu >= d.cpu || found && p.memory >= best.memory {
					continue
				}
				if p.other = b.takes(from, to, d, x); p.other >= 0 {
					best, found = p, true
				}
			}
		}
	}
	if !found {
		return false
	}
	in := b.hosts[best.to].domains[best.in].id
	if best.other == from {
		b.move(from, best.out, best.to, Swap)
	}
	b.move(best.to, b.find(best.to, in), best.other, Swap)
	if best.other != from {
		b.move(from, best.out, best.to, Overload)
	}
	return true
}

// nearest are the hosts that lack the least for the domain: a search through all
// would take long in a large fleet, and find little more.
func (b *board) nearest(from int, d boardDomain) []int {
	const most = 32
	var near []int
	for to := range b.hosts {
		if h := &b.hosts[to]; to != from && !h.closed && b.lacks(to, d) < d.cpu {
			near = append(near, to)
		}
	}
	slices.SortStableFunc(near, func(x, y int) int { return cmp.Compare(b.lacks(x, d), b.lacks(y, d)) })
	return near[:min(len(near), most)]
}

func (b *board) lacks(to int, d boardDomain) float64 {
	h := &b.hosts[to]
	return h.used + d.cpu - b.ceiling()*h.cpu
}

// takes is the host that takes x from to, so that d fits there; -1 if none does.
func (b *board) takes(from, to int, d, x boardDomain) int {
	before := b.hosts[to]
	left := before
	left.used, left.held = left.used-x.cpu, left.held-x.held
	b.hosts[to] = left
	fits := b.accepts(to, &d, b.ceiling())
	b.hosts[to] = before
	if !fits {
		return -1
	}
	source := b.hosts[from]
	b.hosts[from].closed = true
	other := b.emptiest(to, &x, b.ceiling())
	b.hosts[from] = source
	if other >= 0 {
		return other
	}
	relieved := source
	relieved.used, relieved.held = relieved.used-d.cpu, relieved.held-d.held
	b.hosts[from] = relieved
	back := b.accepts(from, &x, b.ceiling())
	b.hosts[from] = source
	if back && b.fits(to, &d, float64(b.config.Marks.High)) {
		return from
	}
	return -1
}

func (b *board) find(host int, id DomainID) int {
	return slices.IndexFunc(b.hosts[host].domains, func(d boardDomain) bool { return d.id == id })
}
