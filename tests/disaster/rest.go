package disaster

import (
	"context"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// What must be so when all is mended and the cluster has come to rest.

// end: everything has ended, or calls for a person; arrivals are finished.
func (c *checker) end() {
	const patience = 5 * time.Minute
	s := c.s
	for _, h := range s.hosts {
		if !h.up {
			s.violate("%s is not up at the end", h.name)
			return
		}
		for _, o := range h.journal.Open() {
			d := h.drivers[o.ID]
			r := c.record(o.ID, o.Move)
			switch {
			case d == nil:
				s.violate("%s: nobody drives %s, which is open in phase %s", h.name, short(o.ID), o.Phase)
			case c.now().Sub(r.opened) < patience || h.locate(o.Move.Domain).Job == policy.MigratingOut:
			case d.o.Alarm() == policy.NotLocated && (c.hands[r.domain].After(r.opened) || c.movedOn(r) || c.alarmed(r.domain)):
				s.r.Unknown++ // it is on a third host, say, or left paused by a later move, which tells of it
			case d.o.Phase != operation.Unknown || d.o.Alarm() == policy.OK || d.o.Alarm() == policy.NotLocated:
				s.violate("%s: %s is still %s (%s) at the end", h.name, short(o.ID), d.o.Phase, d.o.Alarm())
			default:
				s.r.Unknown++
			}
		}
	}
	c.doubled()
	c.arrivals()
	if rested := s.o.Scenario.Rested; rested > 0 && c.now().Sub(c.moved) < rested {
		s.violate("a domain was moved %s before the end, though the load is constant", c.now().Sub(c.moved))
	}
}

// doubled: a domain that one of our migrations has left running on both hosts is
// told to a person.
func (c *checker) doubled() {
	const patience = 5 * time.Minute
	on := map[string]int{}
	for _, h := range c.s.world.Report().Hosts {
		for _, d := range h.Domains {
			if d.State == policy.StateRunning {
				on[d.Name]++
			}
		}
	}
	for _, d := range c.s.domains {
		var last fake.MigrationRecord
		for _, m := range c.s.world.Migrations() {
			if m.Domain == d.name && m.Split {
				last = m
			}
		}
		if on[d.name] > 1 && last.Split && !last.Foreign && c.now().Sub(last.Ended) > patience && c.hands[d.id].Before(last.Began) && !c.alarmed(d.id) {
			c.s.violate("%s runs on %d hosts since %s, and nobody is called", d.name, on[d.name], last.Ended.Format("15:04:05"))
		}
	}
}

// arrivals: what a migration does not carry over has been set on the target.
func (c *checker) arrivals() {
	const patience = 3 * time.Minute
	for _, d := range c.s.domains {
		last, ok := c.lastMove(d.id)
		if !ok || c.now().Sub(last.Ended) < patience || c.hands[d.id].After(last.Began) {
			continue
		}
		var h *host
		for _, other := range c.s.hosts {
			if other.name == last.To {
				h = other
			}
		}
		sample, _ := h.hv.Sample(context.Background())
		for _, x := range sample.Domains {
			if x.ID != d.id || x.Job != policy.NoJob || x.State != policy.StateRunning || c.alarmed(d.id) {
				continue
			}
			if x.History.Last.Sub(last.Ended) < -c.wrong {
				c.s.violate("%s runs on %s since %s and does not remember that it was moved", d.name, h.name, last.Ended.Format("15:04:05"))
			}
			// An operation that found the domain there only later, brought by
			// another, says it again, as it knew it.
			autostart, said := false, map[bool]bool{}
			for _, r := range c.ops {
				if r.domain == d.id && r.begun.Equal(last.Began) {
					autostart = r.autostart
				}
				if r.domain == d.id && r.to == h && !r.begun.IsZero() {
					said[r.autostart] = true
				}
			}
			if desc, err := h.hv.Describe(context.Background(), d.id); err == nil && desc.Persistent && desc.Autostart != autostart && !said[desc.Autostart] {
				c.s.violate("%s runs on %s, autostart %t instead of %t", d.name, h.name, desc.Autostart, autostart)
			}
		}
	}
}
