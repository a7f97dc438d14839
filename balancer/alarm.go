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

// Alarm is what another host has found of a domain that it was to move here: a
// person must look at it before either host moves anything again.
type Alarm struct {
	Op     policy.OpID     `json:"op"`
	Domain policy.DomainID `json:"domain"`
	Name   string          `json:"name"`
	From   policy.HostID   `json:"from"`
	Reason policy.Reason   `json:"reason"`
	// heard is when this life was last told; zero is not yet.
	heard time.Time
}

// alarmKey: a host has one operation on a domain at a time.
type alarmKey struct {
	from   policy.HostID
	domain policy.DomainID
}

func (a Alarm) key() alarmKey { return alarmKey{a.From, a.Domain} }

// alarmKept is for how long an alarm holds of which its source says nothing
// more. It repeats it twice a minute while its daemon runs.
const alarmKept = time.Hour

// Alarmed takes in that a source calls for a person. It heeds what concerns a
// domain that has been promised a place here, or that is here, and is true if
// that is news.
func (c *Core) Alarmed(now time.Time, from policy.HostID, id policy.DomainID, told peer.Alarm) (news bool) {
	a := Alarm{Op: told.Op, Domain: id, Name: told.Name, From: from, Reason: told.Reason, heard: now}
	_, here := c.counters(id)
	if !operation.Grave(a.Reason) || !here && c.arriving[a.Op].from != from {
		return false
	}
	was, known := c.alarms[a.key()]
	c.alarms[a.key()] = a
	return !known || was.Reason != a.Reason
}

// Alarms returns what other hosts have found of the domains that were to come
// here, in the order of the operations.
func (c *Core) Alarms() []Alarm {
	return slices.SortedFunc(maps.Values(c.alarms), func(a, b Alarm) int { return cmp.Compare(a.Op, b.Op) })
}

// calmed forgets the alarm of an operation that has ended.
func (c *Core) calmed(from policy.HostID, op policy.OpID) {
	maps.DeleteFunc(c.alarms, func(_ alarmKey, a Alarm) bool { return a.From == from && a.Op == op })
}

// silenced forgets the alarms of which nothing has been heard for too long.
func (c *Core) silenced(now time.Time) {
	for key, a := range c.alarms {
		switch {
		case a.heard.IsZero():
			a.heard = now
			c.alarms[key] = a
		case now.Sub(a.heard) > alarmKept:
			delete(c.alarms, key)
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
	return len(c.alarms) > 0
}
