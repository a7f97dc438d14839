package policy

import (
	"cmp"
	"math"
	"slices"
)

// Consolidation is how a Planner packs domains onto few hosts.
type Consolidation struct {
	// Fill is up to where hosts are filled; Relieve above which they give. The
	// gap between them is what load may grow without a migration.
	Fill, Relieve Fraction
	// Slack is the share of the filled capacity that must be left over, beyond
	// what is used, before a host is emptied: without it the next rise of load
	// opens a host again.
	Slack Fraction
	// Spare is how many empty hosts are to stay ready for the loss of one.
	Spare int
}

// Consolidated is the outcome of packing: the moves, and the hosts that would
// be left without a domain and may be switched off.
type Consolidated struct {
	FleetPlan
	Idle []HostID `json:"idle"`
}

// Consolidate plans for the fewest hosts. Broken rules are mended; hosts above Relieve are relieved; then
// the least loaded hosts are emptied, each wholly or not at all, as long as the
// others have room for them with Slack to spare. Larger hosts are filled before
// smaller ones.
func (p Planner) Consolidate(s Snapshot, how Consolidation) Consolidated {
	b := newBoard(p.Config, s)
	plan := Consolidated{FleetPlan: FleetPlan{Before: b.balance(), Moves: []PlannedMove{}}}
	limit := p.MaxMoves
	if limit <= 0 {
		limit = math.MaxInt
	}
	b.mend(limit)
	b.unload(limit, how)
	b.evacuate(limit, how)
	plan.After = b.balance()
	plan.Moves = append(plan.Moves, b.moves...)
	p.Config.schedule(plan.Moves)
	spare := how.Spare
	for i := range b.hosts {
		if len(b.hosts[i].domains) > 0 {
			continue
		}
		if spare--; spare < 0 {
			plan.Idle = append(plan.Idle, b.hosts[i].id)
		}
	}
	return plan
}

// unload brings hosts above the relief mark below the fill mark, in as few
// moves as it takes.
func (b *board) unload(limit int, how Consolidation) {
	for from := range b.hosts {
		h := &b.hosts[from]
		if h.share() <= float64(how.Relieve) {
			continue
		}
		for len(b.moves) < limit && h.share() > float64(how.Fill) {
			excess := h.used - float64(how.Fill)*h.cpu
			best, target, bestScore := -1, -1, math.Inf(1)
			for i, d := range h.domains {
				// The smallest that suffices, else the largest.
				score := d.cpu - excess
				if score < 0 {
					score = 1e12 - d.cpu
				}
				if !d.movable || d.cpu == 0 || score >= bestScore {
					continue
				}
				if to := b.fullest(from, d, float64(how.Fill), true); to >= 0 {
					best, target, bestScore = i, to, score
				}
			}
			if best < 0 {
				break
			}
			b.move(from, best, target, Overload)
		}
	}
}

// fullest is the host with the least room that may yet take the domain, the
// larger before the smaller; an empty one only if open, and then the largest.
func (b *board) fullest(from int, d boardDomain, fill float64, open bool) int {
	best := -1
	var bestRank [3]float64
	for to := range b.hosts {
		h := &b.hosts[to]
		empty := len(h.domains) == 0
		if to == from || empty && !open || !b.accepts(to, &d, fill) {
			continue
		}
		rank := [3]float64{0, -h.cpu, -h.share()}
		if empty {
			rank[0] = 1
		}
		if best < 0 || slices.Compare(rank[:], bestRank[:]) < 0 {
			best, bestRank = to, rank
		}
	}
	return best
}

// evacuate empties hosts, the smallest and least loaded first.
func (b *board) evacuate(limit int, how Consolidation) {
	order := make([]int, 0, len(b.hosts))
	used, room := 0.0, 0.0
	for i := range b.hosts {
		if h := &b.hosts[i]; len(h.domains) > 0 {
			order = append(order, i)
			used += h.used
			if !h.closed {
				room += float64(how.Fill) * h.cpu
			}
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		hx, hy := &b.hosts[x], &b.hosts[y]
		return cmp.Or(cmp.Compare(hx.cpu, hy.cpu), cmp.Compare(hx.share(), hy.share()))
	})
	received := map[HostID]bool{}
	for _, m := range b.moves {
		received[m.To] = true
	}
	for _, from := range order {
		h := &b.hosts[from]
		left := room - float64(how.Fill)*h.cpu
		if received[h.id] || len(b.moves)+len(h.domains) > limit || used > left*(1-float64(how.Slack)) {
			continue
		}
		if b.clear(from, float64(how.Fill), received) {
			room = left
		}
	}
}

// clear moves every domain off the host, or none.
func (b *board) clear(from int, fill float64, received map[HostID]bool) bool {
	saved, moves := make(map[int]boardHost), len(b.moves)
	keep := func(i int) {
		if _, ok := saved[i]; !ok {
			h := b.hosts[i]
			h.domains = slices.Clone(h.domains)
			saved[i] = h
		}
	}
	keep(from)
	for h := &b.hosts[from]; len(h.domains) > 0; {
		largest := 0
		for i, d := range h.domains {
			if d.cpu > h.domains[largest].cpu {
				largest = i
			}
		}
		to := -1
		if h.domains[largest].movable {
			to = b.fullest(from, h.domains[largest], fill, false)
		}
		if to < 0 {
			for i, h := range saved {
				b.hosts[i] = h
			}
			b.moves = b.moves[:moves]
			return false
		}
		keep(to)
		b.move(from, largest, to, Consolidating)
	}
	for _, m := range b.moves[moves:] {
		received[m.To] = true
	}
	return true
}
