package sim

import (
	"slices"

	"github.com/virtbalance/virtbalance/policy"
)

// Replayed is a plan carried out move by move.
type Replayed struct {
	// Balances are the fleet's before the first move and after each.
	Balances []policy.Balance
	Moves    []policy.PlannedMove
	// Final is the fleet in the end.
	Final policy.Snapshot
}

// Replay carries out moves on a copy of the snapshot, in their order, counting
// with the domains' full demand.
func Replay(s policy.Snapshot, moves []policy.PlannedMove) Replayed {
	s.Hosts, s.Domains = slices.Clone(s.Hosts), slices.Clone(s.Domains)
	hosts := map[policy.HostID]*policy.Host{}
	for i := range s.Hosts {
		hosts[s.Hosts[i].ID] = &s.Hosts[i]
	}
	domains := map[policy.DomainID]*policy.PlacedDomain{}
	for i := range s.Domains {
		domains[s.Domains[i].ID] = &s.Domains[i]
	}
	measure := func() policy.Balance {
		return policy.Planner{Config: policy.DefaultConfig()}.Measure(s)
	}
	r := Replayed{Balances: []policy.Balance{measure()}, Moves: moves}
	for _, m := range moves {
		d := domains[m.Domain]
		hosts[m.From].Used = hosts[m.From].Used.Minus(d.Demand)
		hosts[m.To].Used = hosts[m.To].Used.Plus(policy.Load{CPU: d.Demand.CPU, Memory: max(d.Demand.Memory, d.MemoryMax)})
		d.Host = m.To
		r.Balances = append(r.Balances, measure())
	}
	r.Final = s
	return r
}

// Until is after how many moves, and GiB of them, the condition first holds;
// -1 if it never does.
func (r Replayed) Until(condition func(policy.Balance) bool) (moves int, gib float64) {
	for i, b := range r.Balances {
		if condition(b) {
			return i, gib
		}
		if i < len(r.Moves) {
			gib += float64(r.Moves[i].Memory) / float64(policy.GiB)
		}
	}
	return -1, gib
}
