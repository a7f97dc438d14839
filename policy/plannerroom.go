package policy

import (
	"cmp"
	"slices"
)

// Headroom is that of the fleet in a snapshot as it is, for domains of its
// median size. Where the snapshot has all domains of a host, a place is looked
// for each of them.
func (p Planner) Headroom(s Snapshot) Headroom {
	v := View{Now: s.At, Hosts: slices.Clone(s.Hosts)}
	for i := range v.Hosts {
		v.Hosts[i].Received = s.At // a snapshot is all there is: nothing in it is stale
	}
	domains := make([]Domain, len(s.Domains))
	on := map[HostID]int{}
	for i := range s.Domains {
		domains[i] = s.Domains[i].Domain
		on[s.Domains[i].Host]++
	}
	r := p.Config.Headroom(v, TypicalSize(domains))
	for i := range s.Hosts {
		if h := &s.Hosts[i]; h.Flags.Has(Blind) || h.Running > on[h.ID] {
			return r // its domains are not all known
		}
	}
	b := newBoard(p.Config, s)
	r.Exact, r.Survives = len(b.hosts) > 0, len(b.hosts) > 0
	for lost := range b.hosts {
		if !b.survives(lost) {
			r.Survives, r.Hardest = false, b.hosts[lost].id
			break
		}
	}
	return r
}

// survives reports whether each domain of a lost host finds a place on the
// others, up to the high mark: the largest first, each on the first host that
// has room (first-fit decreasing, Johnson 1973, at most 11/9 of the optimum and
// a bin). What ran there is started anew elsewhere, so what stands in the way of
// a live migration does not count; labels and groups do. The board is as before.
func (b *board) survives(lost int) bool {
	domains := slices.Clone(b.hosts[lost].domains)
	share := func(d *boardDomain) float64 {
		h := &b.hosts[lost]
		return max(d.cpu/h.cpu, d.memory/h.memory)
	}
	slices.SortFunc(domains, func(x, y boardDomain) int {
		return cmp.Or(cmp.Compare(share(&y), share(&x)), cmp.Compare(x.id, y.id))
	})
	type place struct { // with what the host held before
		host       int
		cpu, bytes float64
	}
	var placed []place
	defer func() {
		for _, p := range slices.Backward(placed) {
			h := &b.hosts[p.host]
			h.used, h.held = p.cpu, p.bytes
			h.domains = h.domains[:len(h.domains)-1]
		}
	}()
	for _, d := range domains {
		to := -1
		for i := range b.hosts {
			if i != lost && b.fits(i, &d, float64(b.config.Marks.High)) {
				to = i
				break
			}
		}
		if to < 0 {
			return false
		}
		h := &b.hosts[to]
		placed = append(placed, place{to, h.used, h.held})
		h.used, h.held = h.used+d.cpu, h.held+d.memory
		h.domains = append(h.domains, d)
	}
	return true
}
