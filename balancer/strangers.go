package balancer

import (
	"maps"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// strangers finds the domains that arrive by somebody else's migration, a
// person's or another manager's, and gives them the history of a domain that was
// moved: their cooldown begins. A person who moves a domain has a reason that is
// not known here, and is not to be answered with a move back.
//
// Nothing is written into the domain for it; our own next move of it takes the
// history along.
type strangers struct {
	// brought holds the histories of those that are here now.
	brought map[policy.DomainID]policy.MoveHistory
	// present are the domains of the newest list, but those on their way; nil
	// before there is one: who was here before us is nobody's arrival.
	present map[policy.DomainID]bool
	// ours have arrived by an operation of ours and are not on a list yet.
	ours map[policy.DomainID]bool
}

// Brought is one domain that somebody else has moved here, and when.
type Brought struct {
	Domain  policy.DomainID    `json:"domain"`
	History policy.MoveHistory `json:"history"`
}

func newStrangers(remembered []Brought) strangers {
	s := strangers{brought: map[policy.DomainID]policy.MoveHistory{}, ours: map[policy.DomainID]bool{}}
	for _, b := range remembered {
		s.brought[b.Domain] = b.History
	}
	return s
}

// remembered returns what must survive a restart, in the order of the IDs.
func (s *strangers) remembered() []Brought {
	var all []Brought
	for _, id := range slices.Sorted(maps.Keys(s.brought)) {
		all = append(all, Brought{id, s.brought[id]})
	}
	return all
}

// expect says that a domain has arrived by an operation of ours, before a list
// has shown it.
func (s *strangers) expect(id policy.DomainID) {
	if s.present != nil && !s.present[id] {
		s.ours[id] = true
	}
}

// observe takes in a complete list of the domains and returns it with the
// histories that it does not know. promised says whom this host waits for.
func (s *strangers) observe(now time.Time, domains []policy.DomainCounters, promised func(policy.DomainID) bool, p policy.Config) []policy.DomainCounters {
	domains = slices.Clone(domains)
	present := make(map[policy.DomainID]bool, len(domains))
	for i := range domains {
		d := &domains[i]
		if d.Job == policy.MigratingIn {
			continue
		}
		present[d.ID] = true
		arrived := s.present != nil && !s.present[d.ID] && d.Immigrated
		if arrived && !s.ours[d.ID] && !promised(d.ID) {
			s.brought[d.ID] = p.Arrived(d.History, now, "")
		}
		if h, ok := s.brought[d.ID]; ok && h.Last.After(d.History.Last) {
			d.History = h
		}
		delete(s.ours, d.ID)
	}
	maps.DeleteFunc(s.brought, func(id policy.DomainID, _ policy.MoveHistory) bool { return !present[id] })
	s.present = present
	return domains
}
