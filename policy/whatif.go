package policy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Restart is a domain that starts again elsewhere because its host is lost, or,
// with a Reason other than OK, that cannot.
type Restart struct {
	Domain DomainID `json:"domain"`
	Name   string   `json:"name"`
	From   HostID   `json:"from"`
	To     HostID   `json:"to,omitempty"`
	Reason Reason   `json:"reason"`
}

// Without is the snapshot after the loss of hosts: each of their domains starts
// again, the largest first, on the emptiest host that has the memory and that
// its rules permit; above the stop mark only if there is no other, for a guest on
// a busy host is better than none. Those that no host may take are left out, and
// are in the list with the reason, as are those whose storage or devices stay on
// the lost host. The load of a lost host that no domain in the snapshot accounts for
// is lost, too. The snapshot that is given stays as it is.
func (p Planner) Without(s Snapshot, lost []HostID) (Snapshot, []Restart) {
	after := Snapshot{At: s.At}
	var homeless []PlacedDomain
	for i := range s.Hosts {
		if !slices.Contains(lost, s.Hosts[i].ID) {
			after.Hosts = append(after.Hosts, s.Hosts[i])
		}
	}
	for i := range s.Domains {
		if slices.Contains(lost, s.Domains[i].Host) {
			homeless = append(homeless, s.Domains[i])
		} else {
			after.Domains = append(after.Domains, s.Domains[i])
		}
	}
	slices.SortFunc(homeless, func(a, b PlacedDomain) int {
		return cmp.Or(cmp.Compare(b.Demand.CPU, a.Demand.CPU), cmp.Compare(a.ID, b.ID))
	})
	restarts := make([]Restart, 0, len(homeless))
	for _, d := range homeless {
		r := Restart{Domain: d.ID, Name: d.Name, From: d.Host}
		r.To, r.Reason = p.home(after, d)
		if r.Reason == OK {
			d.Host = r.To
			after = after.With(d)
		}
		restarts = append(restarts, r)
	}
	return after, restarts
}

// home is where a domain would start again.
func (p Planner) home(s Snapshot, d PlacedDomain) (HostID, Reason) {
	switch d.Obstacle {
	case Passthrough, PinnedDomain, UnsafeStorage:
		return "", d.Obstacle
	}
	b := newBoard(p.Config, s)
	for _, limit := range []float64{b.ceiling(), math.Inf(1)} {
		to := b.emptiest(-1, &boardDomain{
			id: d.ID, cpu: float64(d.Demand.CPU), memory: float64(max(d.Demand.Memory, d.MemoryMax)), rules: &d.Rules,
		}, limit)
		if to >= 0 {
			return b.hosts[to].id, OK
		}
	}
	return "", NoFeasibleHost
}

// With is the snapshot with one more domain, whose load its host then carries.
func (s Snapshot) With(d PlacedDomain) Snapshot {
	s.Hosts, s.Domains = slices.Clone(s.Hosts), append(slices.Clone(s.Domains), d)
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.ID != d.Host {
			continue
		}
		h.Used = h.Used.Plus(Load{CPU: d.Demand.CPU, Memory: max(d.Demand.Memory, d.MemoryMax)})
		if h.Ahead > 0 {
			h.Ahead += d.Demand.Share(CPU, h.Capacity)
		}
		h.Running++
	}
	return s
}

// Named finds a host by its name or ID.
func (s Snapshot) Named(host string) (HostID, error) {
	found := HostID("")
	for i := range s.Hosts {
		h := &s.Hosts[i]
		switch {
		case string(h.ID) == host:
			return h.ID, nil
		case h.Name == host && found != "":
			return "", fmt.Errorf("two hosts are called %q; name it by its ID", host)
		case h.Name == host:
			found = h.ID
		}
	}
	if found == "" {
		return "", fmt.Errorf("there is no host %q in the snapshot", host)
	}
	return found, nil
}
