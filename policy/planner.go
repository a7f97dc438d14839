package policy

import (
	"cmp"
	"math"
	"slices"
)

// Planner looks at a whole fleet at once, and orders the moves that mend it:
// for the operator who asks what would be done, and for comparison with other
// planners. The daemons do not use it; each decides for its own host.
//
// Invariant: with the moves of earlier steps done and those of a step done in
// any order, no target is above its limits (see exchange for the one
// exception, which its own second half ends); and planning again on the result
// proposes nothing.
type Planner struct {
	Config Config
	// Spread goes on after no host is above the high mark, until the standard
	// deviation of the hosts' load is at most Deviation.
	Spread    bool
	Deviation Fraction
	// MaxMoves bounds the plan; zero does not.
	MaxMoves int
}

// FleetPlan is what a Planner proposes.
type FleetPlan struct {
	Before Balance       `json:"before"`
	After  Balance       `json:"after"`
	Moves  []PlannedMove `json:"moves"`
}

// PlannedMove is one move of a plan. Moves of the same step may run at once.
type PlannedMove struct {
	Step   int      `json:"step"`
	Domain DomainID `json:"domain"`
	From   HostID   `json:"from"`
	To     HostID   `json:"to"`
	Memory Bytes    `json:"mem_bytes"`
	Reason Reason   `json:"reason"`
}

// Balance sums up how evenly a fleet is loaded.
type Balance struct {
	Hosts   int `json:"hosts"`
	Domains int `json:"domains"`
	// Mean, Deviation (of the population), Max and Min are of the hosts' CPU.
	Mean      Fraction `json:"mean"`
	Deviation Fraction `json:"deviation"`
	Max       Fraction `json:"max"`
	Min       Fraction `json:"min"`
	// Overloaded counts hosts above the high mark.
	Overloaded int `json:"overloaded"`
}

// Plan proposes moves for the snapshot, which it does not change.
func (p Planner) Plan(s Snapshot) FleetPlan {
	b := newBoard(p.Config, s)
	plan := FleetPlan{Before: b.balance(), Moves: []PlannedMove{}}
	limit := p.MaxMoves
	if limit <= 0 {
		limit = math.MaxInt
	}
	b.relieve(limit)
	if p.Spread {
		b.spread(limit, float64(p.Deviation))
	}
	plan.After = b.balance()
	plan.Moves = append(plan.Moves, b.moves...)
	p.Config.schedule(plan.Moves)
	return plan
}

// Measure sums up the snapshot as it is.
func (p Planner) Measure(s Snapshot) Balance {
	r := Balance{Hosts: len(s.Hosts), Domains: len(s.Domains), Min: Fraction(math.Inf(1))}
	sum, squares := 0.0, 0.0
	for i := range s.Hosts {
		u := s.Hosts[i].Utilization(CPU)
		sum += float64(u)
		squares += float64(u) * float64(u)
		r.Max, r.Min = max(r.Max, u), min(r.Min, u)
		if u > p.Config.Marks.High {
			r.Overloaded++
		}
	}
	if len(s.Hosts) == 0 {
		return Balance{}
	}
	n := float64(len(s.Hosts))
	r.Mean = Fraction(sum / n)
	r.Deviation = Fraction(math.Sqrt(max(0, squares/n-sum/n*sum/n)))
	return r
}

// board is the fleet while it is being planned, in the order of IDs.
type board struct {
	config Config
	hosts  []boardHost
	moves  []PlannedMove
	stuck  []bool // hosts that cannot be relieved
}

type boardHost struct {
	id          HostID
	cpu, memory float64 // capacity, in CPUs and bytes
	used, held  float64 // of the same
	domains     []boardDomain
	closed      bool // takes none in
	labels      []string
}

type boardDomain struct {
	id                DomainID
	cpu, memory, held float64
	movable           bool
	rules             *Rules
}

func (h *boardHost) share() float64 { return h.used / h.cpu }

func newBoard(c Config, s Snapshot) *board {
	hosts := slices.Clone(s.Hosts)
	sortHosts(hosts)
	b := &board{config: c, hosts: make([]boardHost, len(hosts)), stuck: make([]bool, len(hosts))}
	index := make(map[HostID]int, len(hosts))
	for i, h := range hosts {
		index[h.ID] = i
		b.hosts[i] = boardHost{
			id: h.ID, cpu: float64(h.Capacity.CPU), memory: float64(h.Capacity.Memory),
			used: float64(h.Committed().CPU), held: float64(h.Committed().Memory),
			closed: h.Flags&(Cordoned|Draining|Paused|Blind|Frozen) != 0, labels: h.Labels,
		}
	}
	for i := range s.Domains {
		d := &s.Domains[i]
		h := &b.hosts[index[d.Host]]
		h.domains = append(h.domains, boardDomain{
			id: d.ID, cpu: float64(max(0, d.Demand.CPU+d.Trend)), memory: float64(max(d.Demand.Memory, d.MemoryMax)),
			held: float64(d.Demand.Memory), rules: &d.Rules,
			movable: obstruction(&d.Domain) == OK && c.CooledDown(d.History, s.At) && plannable(&d.Rules),
		})
	}
	for i := range b.hosts {
		slices.SortFunc(b.hosts[i].domains, func(x, y boardDomain) int { return cmp.Compare(x.id, y.id) })
	}
	return b
}

// fits reports whether a host may take the domain and stay below the limit.
func (b *board) fits(to int, d boardDomain, limit float64) bool {
	h := &b.hosts[to]
	return !h.closed && h.permits(d.rules) && h.used+d.cpu <= limit*h.cpu && h.held+d.memory <= float64(b.config.MemoryReceive)*h.memory
}

// emptiest is the host that would be least loaded with the domain on it; -1 if
// none may take it.
func (b *board) emptiest(from int, d boardDomain, limit float64) int {
	best, bestShare := -1, math.Inf(1)
	for to := range b.hosts {
		if share := (b.hosts[to].used + d.cpu) / b.hosts[to].cpu; to != from && share < bestShare && b.fits(to, d, limit) {
			best, bestShare = to, share
		}
	}
	return best
}

func (b *board) move(from, domain, to int, why Reason) {
	source, target := &b.hosts[from], &b.hosts[to]
	d := source.domains[domain]
	source.domains = slices.Delete(source.domains, domain, domain+1)
	source.used -= d.cpu
	source.held -= d.held
	target.used += d.cpu
	target.held += d.memory
	d.held, d.movable = d.memory, false // once is enough
	target.domains = append(target.domains, d)
	b.moves = append(b.moves, PlannedMove{Domain: d.id, From: source.id, To: target.id, Memory: Bytes(d.memory), Reason: why})
}

func (b *board) balance() Balance {
	r := Balance{Hosts: len(b.hosts), Min: Fraction(math.Inf(1))}
	sum, squares := 0.0, 0.0
	for i := range b.hosts {
		u := b.hosts[i].share()
		sum += u
		squares += u * u
		r.Max, r.Min = max(r.Max, Fraction(u)), min(r.Min, Fraction(u))
		r.Domains += len(b.hosts[i].domains)
		if u > float64(b.config.Marks.High) {
			r.Overloaded++
		}
	}
	if len(b.hosts) == 0 {
		return Balance{}
	}
	n := float64(len(b.hosts))
	r.Mean = Fraction(sum / n)
	r.Deviation = Fraction(math.Sqrt(max(0, squares/n-sum/n*sum/n)))
	return r
}
