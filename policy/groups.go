package policy

import (
	"cmp"
	"encoding/json"
	"slices"
)

// GroupRule is what the domains of a group ask of each other.
type GroupRule string

// The rules of groups. A name that a newer version adds means nothing here.
const (
	// Affinity: the members of the group run on one host.
	Affinity GroupRule = "affinity"
	// AntiAffinity: no two members of the group run on one host.
	AntiAffinity GroupRule = "anti-affinity"
)

// Membership is a domain's place in a group. Rule and name together make the
// group: an affinity group "db" has nothing to do with an anti-affinity group
// of that name.
//
// A hard rule is never broken by a move, and mended where it is broken. A soft
// one only weighs in the choice of a host. Between two members of an
// anti-affinity group the rule is hard if it is so for one of them.
type Membership struct {
	Rule  GroupRule `json:"rule"`
	Group string    `json:"group"`
	Soft  bool      `json:"soft,omitempty"`
}

// same reports whether both are of one group.
func (m Membership) same(o Membership) bool { return m.Rule == o.Rule && m.Group == o.Group }

// among reports whether one of the memberships is of the same group.
func (m Membership) among(groups []Membership) bool { return slices.ContainsFunc(groups, m.same) }

// clashes reports whether two domains with these memberships must not run on
// one host.
func clashes(a, b []Membership) bool {
	for i := range a { // by index: every domain of a host is compared with every other
		if a[i].Rule != AntiAffinity {
			continue
		}
		for k := range b {
			if b[k].Group == a[i].Group && b[k].Rule == AntiAffinity && !(a[i].Soft && b[k].Soft) {
				return true
			}
		}
	}
	return false
}

// GroupKey stands for a group in what a host tells of itself: 14 bits of a hash
// of its rule and name, and in the two lowest bits how many members the host
// runs, one to four or more. Zero is no group.
//
// Two groups may share a key. For anti-affinity, a host is then passed over
// that could take the domain: for any domain and host, with a probability of
// less than 1 in 1000. For affinity, the host that is asked to take a domain to
// its group knows better and refuses.
type GroupKey uint16

const memberBits = 2

// key is the key of the group, without a count.
func (m Membership) key() GroupKey {
	h := uint32(2166136261) // FNV-1a
	for _, s := range [...]string{string(m.Rule), "\x00", m.Group} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	h ^= h>>14 ^ h>>28
	return max(1, GroupKey(h&(1<<14-1))) << memberBits
}

// group is the key without the count.
func (k GroupKey) group() GroupKey { return k &^ (1<<memberBits - 1) }

// Members is the count, one to four; zero if the key is none.
func (k GroupKey) Members() int {
	if k.group() == 0 {
		return 0
	}
	return int(k&(1<<memberBits-1)) + 1
}

// GroupsTold is how many groups a host tells of.
const GroupsTold = 12

// GroupSet is the groups of which a host runs members or has promised to, as
// far as they fit: affinity groups first, because who looks for a host of his
// group has to find it, while who must keep away is told by the host itself.
// The order is theirs, unused places are zero. It is comparable.
type GroupSet [GroupsTold]GroupKey

// members is how many members of the group the host runs; from four on it is
// four.
func (s *GroupSet) members(group GroupKey) int {
	for _, k := range s {
		switch {
		case k == 0:
			return 0
		case k.group() == group:
			return k.Members()
		}
	}
	return 0
}

// With is the set with one member more in each of the groups; one for which
// there is no place is left out.
func (s GroupSet) With(groups ...Membership) GroupSet {
	for _, m := range groups {
		s.add(m.key())
	}
	return s
}

func (s *GroupSet) add(group GroupKey) {
	for i, k := range s {
		switch {
		case k == 0:
			s[i] = group
			return
		case k.group() == group:
			if k.Members() < 1<<memberBits {
				s[i]++
			}
			return
		}
	}
}

// IsZero reports whether the set is empty.
func (s GroupSet) IsZero() bool { return s[0] == 0 }

// MarshalJSON writes the keys that there are.
func (s GroupSet) MarshalJSON() ([]byte, error) {
	keys := []uint16{}
	for _, k := range s {
		if k != 0 {
			keys = append(keys, uint16(k))
		}
	}
	return json.Marshal(keys)
}

// UnmarshalJSON reads keys; those beyond GroupsTold are dropped.
func (s *GroupSet) UnmarshalJSON(b []byte) error {
	var keys []uint16
	if err := json.Unmarshal(b, &keys); err != nil {
		return err
	}
	*s = GroupSet{}
	n := 0
	for _, k := range keys {
		if GroupKey(k).Members() > 0 && n < len(s) {
			s[n] = GroupKey(k)
			n++
		}
	}
	return nil
}

// GroupsOf is what a host tells of the groups of its domains and of those that
// it has promised a place.
func GroupsOf(self HostID, domains []Domain, promised Ledger) GroupSet {
	var s GroupSet
	for _, rule := range []GroupRule{Affinity, AntiAffinity} {
		var keys []GroupKey
		take := func(groups []Membership) {
			for _, m := range groups {
				if m.Rule == rule {
					keys = append(keys, m.key())
				}
			}
		}
		for _, d := range domains {
			take(d.Groups)
		}
		for _, r := range promised {
			if r.To == self && !slices.ContainsFunc(domains, func(d Domain) bool { return d.ID == r.Domain }) {
				take(r.Groups)
			}
		}
		slices.Sort(keys)
		for _, k := range keys {
			s.add(k)
		}
	}
	return s
}

// mates counts the other domains of this host in the group of a domain.
func (v *View) mates(d *Domain, m Membership) int {
	n := 0
	for i := range v.Domains {
		o := &v.Domains[i]
		if m.among(o.Groups) && o.ID != d.ID {
			n++
		}
	}
	return n
}

// crowded reports whether the domain runs beside one that it must be apart
// from. One that is on its way is none: it may be leaving for that reason.
func (v *View) crowded(d *Domain) bool {
	for i := range v.Domains {
		o := &v.Domains[i]
		if o.ID != d.ID && o.Obstacle != JobActive && clashes(d.Groups, o.Groups) {
			return true
		}
	}
	return false
}

// home is the host where the group of a domain is to gather, out of those that
// run members of it and take domains in: the one with most of them, so that few
// move. Every host finds the same, as far as they have heard the same. Empty
// when there is none.
//
// Without this host, it is where a domain that leaves finds its group.
func (c *Config) home(v *View, d *Domain, m Membership, withSelf bool) HostID {
	const closed = Cordoned | Draining | Paused | Blind | Frozen
	var best HostID
	most, mixed, key := 0, uint64(0), m.key()
	for i := range v.Hosts {
		h := &v.Hosts[i]
		members := 0
		switch {
		case h.ID != v.Self:
			members = v.counted(h).Groups.members(key)
		case withSelf:
			members = min(1<<memberBits, 1+v.mates(d, m))
		}
		if members == 0 || h.ID != v.Self && (h.Flags&closed != 0 || v.Now.Sub(h.Received) > c.StaleAfter) {
			continue
		}
		// Among equals it is another host for another group.
		mix := mix64(string(h.ID), m.Group)
		if cmp.Or(cmp.Compare(members, most), cmp.Compare(mix, mixed), cmp.Compare(best, h.ID)) > 0 {
			best, most, mixed = h.ID, members, mix
		}
	}
	return best
}

// broken is the hard rule that the domain breaks by being where it is; OK if
// there is none.
func (c *Config) broken(v *View, self *Host, d *Domain) Reason {
	if !d.welcomes(self) {
		return LabelMissing
	}
	if len(d.Groups) == 0 {
		return OK
	}
	if v.crowded(d) {
		return AntiAffinityGroup
	}
	for _, m := range d.Groups {
		if m.Rule != Affinity || m.Soft {
			continue
		}
		if home := c.home(v, d, m, true); home != "" && home != self.ID {
			return AffinityGroup
		}
	}
	return OK
}

// misplaces reports whether a domain of the host breaks a hard rule, and is not
// on its way already.
func (c *Config) misplaces(v *View, self *Host) bool {
	for i := range v.Domains {
		d := &v.Domains[i]
		if d.Obstacle != JobActive && (len(d.Requires) > 0 || len(d.Groups) > 0) && c.broken(v, self, d) != OK {
			return true
		}
	}
	return false
}

// rooted reports whether the domain must stay because hard affinity binds it to
// others on this host.
func (v *View) rooted(d *Domain) bool {
	for _, m := range d.Groups {
		if m.Rule == Affinity && !m.Soft && v.mates(d, m) > 0 {
			return true
		}
	}
	return false
}

// wish is what one group asks of the host that a candidate goes to.
type wish struct {
	Membership
	key GroupKey
	// home is where its affinity group is; empty when nowhere else.
	home HostID
}

// wish finds the wishes of a candidate, if that has not been done.
func (c *Config) wish(v *View, cand *candidate) {
	if cand.wishes == nil && len(cand.domain.Groups) > 0 {
		cand.wishes = c.wishes(v, cand.domain)
	}
}

// wishes are what the groups of a domain ask of a target.
func (c *Config) wishes(v *View, d *Domain) []wish {
	var all []wish
	for _, m := range d.Groups {
		w := wish{Membership: m, key: m.key()}
		if m.Rule == Affinity {
			w.home = c.home(v, d, m, false)
		}
		all = append(all, w)
	}
	return all
}

// ruledOut is the hard rule of a group that keeps the candidate from a host, as
// far as the host has told.
func (cand *candidate) ruledOut(h *Host) Reason {
	for _, w := range cand.wishes {
		switch {
		case w.Soft:
		case w.Rule == AntiAffinity && h.Groups.members(w.key) > 0:
			return AntiAffinityGroup
		case w.Rule == Affinity && w.home != "" && w.home != h.ID:
			return AffinityGroup
		}
	}
	return OK
}

// unfulfilled counts the soft wishes of the candidate that the host does not
// grant.
func (cand *candidate) unfulfilled(h *Host) int {
	n := 0
	for _, w := range cand.wishes {
		switch {
		case !w.Soft:
		case w.Rule == AntiAffinity && h.Groups.members(w.key) > 0:
			n++
		case w.Rule == Affinity && w.home != "" && h.Groups.members(w.key) == 0:
			n++
		}
	}
	return n
}

// joins are the groups that the candidate expects to find on the host.
func (cand *candidate) joins(h *Host) []string {
	var names []string
	for _, w := range cand.wishes {
		if w.Rule == Affinity && !w.Soft && w.home == h.ID {
			names = append(names, w.Group)
		}
	}
	return names
}

// objection is the rule that the arrival of a domain would break on this host,
// which knows its own domains, and whom it has promised a place: two members of
// a group that ask at the same time do not both get one.
func (v *View) objection(self *Host, m *Move) Reason {
	switch {
	case !self.has(m.Requires):
		return LabelMissing
	case len(m.Groups) == 0:
		return OK
	}
	missing := slices.Clone(m.Joins)
	meet := func(groups []Membership) bool {
		missing = slices.DeleteFunc(missing, func(name string) bool {
			return Membership{Rule: Affinity, Group: name}.among(groups)
		})
		return clashes(m.Groups, groups)
	}
	for i := range v.Domains {
		d := &v.Domains[i]
		switch {
		case d.ID == m.Domain:
		case d.Obstacle == NotInspected:
			return HostRulesUnknown
		case meet(d.Groups):
			return AntiAffinityGroup
		}
	}
	for _, r := range v.Ledger {
		if r.To == self.ID && r.Domain != m.Domain && meet(r.Groups) {
			return AntiAffinityGroup
		}
	}
	if len(missing) > 0 {
		return AffinityGroup
	}
	return OK
}
