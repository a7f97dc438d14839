package disaster

import (
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// siteLabels are what hosts may have and domains require.
var siteLabels = [...]string{"ssd", "licence"}

// labels draws those of a host: each has most of them.
func (s *Sim) labels() []string {
	var labels []string
	for _, l := range siteLabels {
		if s.ruled && s.vary.IntN(4) > 0 {
			labels = append(labels, l)
		}
	}
	return labels
}

// rules draws those of a domain. Most have none.
func (s *Sim) rules() policy.Rules {
	var r policy.Rules
	if !s.ruled {
		return r
	}
	member := func(rule policy.GroupRule, group string) {
		r.Groups = append(r.Groups, policy.Membership{Rule: rule, Group: group, Soft: s.vary.IntN(2) == 0})
	}
	switch s.vary.IntN(12) {
	case 0:
		r.Requires = []string{siteLabels[s.vary.IntN(len(siteLabels))]}
	case 1:
		r.Requires = siteLabels[:]
	case 2, 3:
		member(policy.AntiAffinity, "apart")
	case 4:
		member(policy.Affinity, "together")
	case 5:
		r.Pin = true
	case 6:
		r.Priority = policy.HighestPriority
	}
	return r
}

// relabel gives a host a label or takes one from it, again and again.
func (s *Sim) relabel() {
	if s.calm {
		return
	}
	h, label := s.anyHost(), siteLabels[s.rng.IntN(len(siteLabels))]
	labels := slices.DeleteFunc(slices.Clone(h.facts.Labels), func(l string) bool { return l == label })
	if len(labels) == len(h.facts.Labels) {
		labels = append(labels, label)
	}
	h.facts.Labels = labels
	s.tracef("-- %s has the labels %s", h.name, labels)
	if h.up {
		h.core.Relabel(labels, h.core.Labels().Changes)
		h.publish()
	}
	s.after(s.within(10*time.Second, 2*time.Minute), s.relabel)
}

// rulesOf are the rules of a domain.
func (s *Sim) rulesOf(id policy.DomainID) policy.Rules {
	i := slices.IndexFunc(s.domains, func(d domain) bool { return d.id == id })
	return s.domains[i].rules
}

// lacks returns a label that the domain requires and the host does not have.
func (s *Sim) lacks(h *host, id policy.DomainID) (string, bool) {
	requires := s.rulesOf(id).Requires
	i := slices.IndexFunc(requires, func(l string) bool { return !slices.Contains(h.facts.Labels, l) })
	if i < 0 {
		return "", false
	}
	return requires[i], true
}
