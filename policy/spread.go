package policy

// spread moves domains until the deviation of the hosts' load is at most the
// goal. Each move is the one that lowers the sum of squared loads the most:
// moving load d from share u to share v of equal hosts lowers it by
// 2d(u-v-d), the most where d is half the difference.
//
// For a given domain the best target is the emptiest host, so one pass over
// the domains finds the best move.
func (b *board) spread(limit int, goal float64) {
	const least = 1e-6 // of a squared share: less is rounding
	for len(b.moves) < limit && float64(b.balance().Deviation) > goal {
		from, domain, to, best := -1, -1, -1, least
		target := b.leastLoaded()
		for i := range b.hosts {
			for k := range b.hosts[i].domains {
				d := &b.hosts[i].domains[k]
				if !d.movable || d.cpu == 0 || b.gain(i, target, d) <= best {
					continue
				}
				t := target
				if i == t || !b.accepts(t, d, b.ceiling()) {
					if t = b.emptiest(i, d, b.ceiling()); t < 0 {
						continue
					}
				}
				if gain := b.gain(i, t, d); gain > best {
					from, domain, to, best = i, k, t, gain
				}
			}
		}
		if from < 0 {
			return
		}
		b.move(from, domain, to, Spread)
	}
}

// gain is by how much a move lowers the sum of squared loads; nothing if the
// target would end above where the source was.
func (b *board) gain(from, to int, d *boardDomain) float64 {
	s, t := &b.hosts[from], &b.hosts[to]
	u, v := s.share(), t.share()
	du, dv := d.cpu/s.cpu, d.cpu/t.cpu
	if v+dv >= u {
		return 0
	}
	return du*(2*u-du) - dv*(2*v+dv)
}

// leastLoaded is the least loaded host that takes domains in, or host 0.
func (b *board) leastLoaded() int {
	best := 0
	for i := range b.hosts {
		if !b.hosts[i].closed && (b.hosts[best].closed || b.hosts[i].share() < b.hosts[best].share()) {
			best = i
		}
	}
	return best
}
