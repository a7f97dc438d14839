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
// What the rules of domains say goes before their load: what breaks a hard rule
// is moved first, and nothing is moved that the daemons would not move
// (plannerrules.go, plannermend.go).
//
// Invariant: with the moves of earlier steps done and those of a step done in
// any order, no target is above its limits (see exchange for the one
// exception, which its own second half ends) and no move breaks a hard rule; and
// planning again on the result proposes nothing.
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
	b.settle(limit)
	if p.Spread {
		b.spread(limit, float64(p.Deviation))
	}
	plan.After = b.balance()
	plan.Moves = append(plan.Moves, b.moves...)
	p.Config.schedule(plan.Moves)
	return plan
}

// settle mends broken rules and relieves hosts until neither makes room for the
// other.
func (b *board) settle(limit int) {
	for before := -1; before != len(b.moves); {
		before = len(b.moves)
		clear(b.stuck)
		b.mend(limit)
		b.relieve(limit)
	}
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
	rules             *Rules
	// movable: it may move for the sake of load; able: for that of a rule, which
	// in a group that is to gather it has to be cooled down for.
	movable, able, cooled bool
	// wishes: it is in a soft group.
	wishes bool
	// leaving: it is on its way already.
	leaving bool
	// cameFrom is where it must not return to for the sake of load.
	cameFrom HostID
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
	r := newRuling(c, s)
	for i := range s.Domains {
		d := &s.Domains[i]
		bd := boardDomain{
			id: d.ID, cpu: float64(max(0, d.Demand.CPU+d.Trend)), memory: float64(max(d.Demand.Memory, d.MemoryMax)),
			held: float64(d.Demand.Memory), rules: &d.Rules,
			able: able(&d.Domain), cooled: c.CooledDown(d.History, s.At), leaving: d.Obstacle == JobActive,
			wishes: slices.ContainsFunc(d.Groups, func(m Membership) bool { return m.Soft }),
		}
		bd.movable = bd.able && bd.cooled && r.mayMove(d)
		if c.returns(Overload, s.At, &d.Domain, d.History.From) {
			bd.cameFrom = d.History.From
		}
		h := &b.hosts[index[d.Host]]
		h.domains = append(h.domains, bd)
	}
	for i := range b.hosts {
		slices.SortFunc(b.hosts[i].domains, func(x, y boardDomain) int { return cmp.Compare(x.id, y.id) })
	}
	return b
}

// fits reports whether a host may take the domain and stay below the limit.
func (b *board) fits(to int, d *boardDomain, limit float64) bool {
	h := &b.hosts[to]
	return !h.closed && h.permits(d.rules) && h.used+d.cpu <= limit*h.cpu && h.held+d.memory <= float64(b.config.MemoryReceive)*h.memory
}

// accepts reports whether the domain may move to a host that it fits on.
func (b *board) accepts(to int, d *boardDomain, limit float64) bool {
	return d.cameFrom != b.hosts[to].id && b.fits(to, d, limit)
}

// emptiest is, of the hosts that grant the most of the soft wishes of the domain's
// groups, the one that would be least loaded with it; -1 if none may take it.
func (b *board) emptiest(from int, d *boardDomain, limit float64) int {
	best, bestShare, fewest := -1, math.Inf(1), 0
	for to := range b.hosts {
		share := (b.hosts[to].used + d.cpu) / b.hosts[to].cpu
		if to == from || !d.wishes && share >= bestShare || !b.accepts(to, d, limit) {
			continue
		}
		denied := 0
		if d.wishes {
			denied = b.hosts[to].denies(d)
		}
		if best < 0 || cmp.Or(cmp.Compare(denied, fewest), cmp.Compare(share, bestShare)) < 0 {
			best, bestShare, fewest = to, share, denied
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
	d.held, d.movable, d.able = d.memory, false, false // once is enough
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
