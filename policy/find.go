package policy

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
	all := make([]Room, 0, len(v.Hosts))
	for i := range v.Hosts {
		h := *v.counted(&v.Hosts[i])
		room := Room{Host: h.ID, Reason: LabelMissing}
		if h.has(requires) {
			room.Times, room.Reason = c.times(v, h, load)
		}
		if room.Times > 0 {
			room.Reason = OK
		}
		all = append(all, room)
	}
	return all
}
