package balancer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// Doubt is about a domain that another host was to move here. With the reason
// NotLocated it has arrived, and its source has not said how the move ended: it
// may run there, too, and is not moved on. With a grave reason the source calls
// for a person, and nothing moves.
type Doubt struct {
	Op     policy.OpID     `json:"op"`
	Domain policy.DomainID `json:"domain"`
	Name   string          `json:"name"`
	From   policy.HostID   `json:"from"`
	Reason policy.Reason   `json:"reason"`
	// heard is when this life last heard of it; zero is not yet.
	heard time.Time
}

// doubtKept is for how long a doubt lasts of which its source says nothing more.
// An alarm it repeats twice a minute, while its daemon runs.
const doubtKept = time.Hour

// doubtKey: a host has one operation on a domain at a time.
type doubtKey struct {
	from   policy.HostID
	domain policy.DomainID
}

func (d Doubt) key() doubtKey { return doubtKey{d.From, d.Domain} }

// Alarmed takes in that a source calls for a person. It heeds what concerns a
// domain that has been promised a place here, or that is here, and is true if
// that is news. Of more than peer.AlarmsMax it keeps none: one is enough.
func (c *Core) Alarmed(now time.Time, from policy.HostID, id policy.DomainID, told peer.Alarm) (news bool) {
	d := Doubt{Op: told.Op, Domain: id, Name: told.Name, From: from, Reason: told.Reason, heard: now}
	_, here := c.counters(id)
	if !operation.Grave(d.Reason) || !here && c.arriving[d.Op].from != from {
		return false
	}
	was := c.doubts[d.key()].Reason
	if !operation.Grave(was) && len(c.Alarms()) >= peer.AlarmsMax {
		return false
	}
	c.doubts[d.key()] = d
	return was != d.Reason
}

// Alarms returns the doubts because of which a person must look, in the order of
// the operations.
func (c *Core) Alarms() []Doubt {
	return slices.DeleteFunc(c.rememberedDoubts(), func(d Doubt) bool { return !operation.Grave(d.Reason) })
}

func (c *Core) rememberedDoubts() []Doubt {
	return slices.SortedFunc(maps.Values(c.doubts), func(a, b Doubt) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.From, b.From))
	})
}

// unheard notes that a domain has arrived, and that its source has not said so.
func (c *Core) unheard(op policy.OpID, a arrival) {
	d := Doubt{Op: op, Domain: a.domain, From: a.from, Reason: policy.NotLocated, heard: a.since}
	if counters, ok := c.counters(a.domain); ok {
		d.Name = counters.Name
	}
	if _, known := c.doubts[d.key()]; !known {
		c.doubts[d.key()] = d
	}
}

// unconfirmed reports whether a domain that is here may run where it came from,
// too.
func (c *Core) unconfirmed(id policy.DomainID) bool {
	_, awaited := c.awaited(id)
	return awaited
}

// awaited returns the host from which word is awaited of a domain that has come
// from there, if there is one.
func (c *Core) awaited(id policy.DomainID) (from policy.HostID, ok bool) {
	for op, a := range c.arriving {
		if a.domain == id && !a.told && c.newest(op, a) {
			return a.from, true
		}
	}
	for _, d := range c.rememberedDoubts() {
		if d.Domain == id {
			return d.From, true
		}
	}
	return "", false
}

// told clears the doubt about an operation: its source says how it has ended.
func (c *Core) told(from policy.HostID, op policy.OpID) {
	maps.DeleteFunc(c.doubts, func(_ doubtKey, d Doubt) bool { return d.From == from && d.Op == op })
}

// silenced clears the doubts of which nothing has been heard for too long.
func (c *Core) silenced(now time.Time) {
	for key, d := range c.doubts {
		switch {
		case d.heard.IsZero():
			d.heard = now
			c.doubts[key] = d
		case now.Sub(d.heard) > doubtKept:
			delete(c.doubts, key)
		}
	}
}

// frozen reports that a domain that we were to move, or that was to come here,
// was found on both hosts, on neither, or left paused: then nothing moves here
// until a person has looked.
func (c *Core) frozen() bool {
	for _, o := range c.operations {
		if operation.Grave(o.Alarm()) {
			return true
		}
	}
	return len(c.Alarms()) > 0
}
