package policy

import "math"

// relieve moves domains until no host is above the high mark, the most loaded
// host first: with as few moves as it takes, and of those ways the one that
// moves the least memory for the load.
func (b *board) relieve(limit int) {
	for len(b.moves) < limit {
		worst := b.mostLoaded()
		if worst < 0 {
			return
		}
		choice := b.lightest(worst)
		if len(choice) == 0 {
			b.stuck[worst] = !b.exchange(worst, limit)
			continue
		}
		b.give(worst, choice[0], Overload)
	}
}

// mostLoaded is the host furthest above the high mark that may yet be relieved;
// -1 if there is none.
func (b *board) mostLoaded() int {
	worst, share := -1, float64(b.config.Marks.High)
	for i := range b.hosts {
		if u := b.hosts[i].share(); u > share && !b.stuck[i] {
			worst, share = i, u
		}
	}
	return worst
}

// give moves one domain to the emptiest host that may take it.
func (b *board) give(from, domain int, why Reason) {
	to := b.emptiest(from, &b.hosts[from].domains[domain], b.ceiling())
	b.move(from, domain, to, why)
}

// ceiling is up to where a plan fills a host. The dead band is for those who
// decide alone; who sees the whole fleet may fill hosts to the stop mark.
func (b *board) ceiling() float64 { return float64(b.config.Marks.Stop) }

// lightest chooses, of those of the lowest priority that any host can take, the
// fewest domains whose leaving brings the host to its high
// mark, at most three, and of equally few those with the least memory for their
// load; failing that, the largest of them. The largest of the choice comes first.
func (b *board) lightest(from int) []int {
	h := &b.hosts[from]
	excess := h.used - float64(b.config.Marks.High)*h.cpu
	var able []int
	largest := -1
	for i := range h.domains {
		d := &h.domains[i]
		if !d.movable || d.cpu == 0 || len(able) > 0 && d.rules.later(h.domains[able[0]].rules) > 0 ||
			b.emptiest(from, d, b.ceiling()) < 0 {
			continue
		}
		if len(able) > 0 && d.rules.later(h.domains[able[0]].rules) < 0 {
			able, largest = able[:0], -1
		}
		able = append(able, i)
		if largest < 0 || d.cpu > h.domains[largest].cpu {
			largest = i
		}
	}
	if largest < 0 {
		return nil
	}
	for count := 1; count <= 3; count++ {
		if best := lightestOf(h.domains, able, excess, count); best != nil {
			return best
		}
	}
	return []int{largest}
}

// lightestOf finds, among all choices of so many domains that add up to the
// excess, the one with the least memory for its load.
func lightestOf(domains []boardDomain, able []int, excess float64, count int) []int {
	var best []int
	bestCost := math.Inf(1)
	var choose func(start int, chosen []int, cpu, memory float64)
	choose = func(start int, chosen []int, cpu, memory float64) {
		if len(chosen) == count {
			if cost := memory / cpu; cpu >= excess && cost < bestCost {
				best, bestCost = append(best[:0], chosen...), cost
			}
			return
		}
		for i := start; i < len(able); i++ {
			d := domains[able[i]]
			choose(i+1, append(chosen, able[i]), cpu+d.cpu, memory+d.memory)
		}
	}
	choose(0, make([]int, 0, count), 0, 0)
	for i := range best {
		if domains[best[i]].cpu > domains[best[0]].cpu {
			best[0], best[i] = best[i], best[0]
		}
	}
	return best
}
