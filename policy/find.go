package policy

import "math"

// Room is whether a host could take a load in, and how often.
type Room struct {
	Host HostID `json:"host"`
	// Reason is OK, or why not.
	Reason Reason `json:"reason"`
	// Times is how many such loads would fit beside one another.
	Times int `json:"times"`
}

// Find says of every host of the view, in its order, whether it could take a new
// domain in that needs the load and the labels: by the rule by which hosts admit
// domains that are moved.
func (c Config) Find(v View, load Load, requires []string) []Room {
	const most = 10_000
	c.MaxInbound = math.MaxInt // a new domain is no migration
	all := make([]Room, 0, len(v.Hosts))
	for i := range v.Hosts {
		h := *v.counted(&v.Hosts[i])
		room := Room{Host: h.ID}
		if !h.has(requires) {
			room.Reason = LabelMissing
		}
		for room.Reason == OK && room.Times < most {
			why := c.admit(v.Now, &h, v.Self, "", load)
			if why != OK {
				if room.Times == 0 {
					room.Reason = why
				}
				break
			}
			room.Times++
			h.Promised = h.Promised.Plus(load)
		}
		all = append(all, room)
	}
	return all
}
