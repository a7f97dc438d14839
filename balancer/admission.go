package balancer

import (
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// WouldAdmit answers a source that asks for room, and books nothing. To make
// room first is yes as well: what else speaks against the domain is to be known
// before anything is moved for it.
func (c *Core) WouldAdmit(now time.Time, r peer.ReserveRequest) policy.Reason {
	why, _ := c.judge(now, r)
	if why == policy.HostMakesRoom {
		return policy.OK
	}
	return why
}

// judge is the answer to a source that asks for room, and what to remember if
// it is given.
func (c *Core) judge(now time.Time, r peer.ReserveRequest) (policy.Reason, policy.State) {
	c.rejudge(now)
	c.ledger = c.ledger.Unexpired(now)
	if granted, ok := c.ledger.Find(r.Op); ok {
		if granted.From != r.Move.From || granted.Domain != r.Move.Domain {
			return policy.Unauthorized, c.state // somebody else's operation
		}
		return policy.OK, c.state
	}
	if _, here := c.counters(r.Move.Domain); here {
		return policy.AlreadyThere, c.state
	}
	if c.operatesOn(r.Move.Domain, "") {
		// It has left by a move of ours that is still open: were it to come back,
		// nobody could tell that it had ever gone.
		return policy.JobActive, c.state
	}
	return c.tuning.Policy.Answer(c.View(now, c.heard), c.state, r.Move)
}

// Admit answers a source that asks for room, and books the room in the same
// step if the answer is yes. Asked again for the same operation it gives the
// same answer and books nothing more.
func (c *Core) Admit(now time.Time, r peer.ReserveRequest) policy.Reason {
	why, state := c.judge(now, r)
	c.state = state
	if why != policy.OK {
		return why
	}
	if _, ok := c.ledger.Find(r.Op); ok {
		return policy.OK
	}
	promise := policy.Reservation{
		Op: r.Op, Domain: r.Move.Domain, From: r.Move.From, To: r.Move.To,
		Load: r.Move.Booked(), Groups: r.Move.Groups,
		Phase: policy.Reserved, Granted: now, Expires: now.Add(c.tuning.ReserveTTL),
	}
	c.ledger = c.ledger.With(promise)
	c.arriving[r.Op] = arrival{
		domain: r.Move.Domain, from: r.Move.From, handoff: r.Handoff, promise: promise, heard: now,
	}
	return policy.OK
}

// Revoke takes a promise back that could not be written down, and so has not
// been given; unless its source goes by it already.
func (c *Core) Revoke(op policy.OpID) {
	if r, ok := c.ledger.Find(op); ok && r.Phase == policy.Reserved {
		c.ledger = c.ledger.Without(op)
		delete(c.arriving, op)
		c.state = c.state.NoDebt(r.Domain)
	}
}

// Reply answers a source that asks for room, after the checks that take time
// have given their verdict.
func (c *Core) Reply(now time.Time, r peer.ReserveRequest, checked policy.Reason, detail string) peer.ReserveReply {
	reply := peer.ReserveReply{Reason: checked, Detail: detail}
	if checked == policy.OK {
		reply.Reason = c.Admit(now, r)
	}
	reply.Host = c.Self(now)
	return reply
}

// Self is this host as the others are to see it.
func (c *Core) Self(now time.Time) policy.Host {
	return policy.Host{HostFacts: c.facts, HostState: c.HostState(now), Received: now}
}

// Renew keeps a promise alive; false if there is none for who asks.
func (c *Core) Renew(now time.Time, from policy.HostID, op policy.OpID) bool {
	c.rejudge(now)
	c.ledger = c.ledger.Unexpired(now)
	r, ok := c.ledger.Find(op)
	if !ok || r.From != from {
		return false
	}
	if r.Phase == policy.Reserved {
		r.Phase = policy.Migrating
	}
	r.Expires = later(r.Expires, now.Add(c.tuning.ReserveTTL))
	c.ledger = c.ledger.With(r)
	return true
}

// Ended takes in how an operation that targeted this host has ended. It is true
// if this host had promised the place to who says so, and the domain has
// arrived: then its arrival is to be finished.
func (c *Core) Ended(now time.Time, f peer.FinishRequest) (Arrived, bool) {
	c.told(f.Move.From, f.Op)
	a, ok := c.arriving[f.Op]
	if !ok || a.from != f.Move.From || a.domain != f.Move.Domain {
		return Arrived{}, false
	}
	newest := c.newest(f.Op, a)
	if f.Result != policy.Succeeded || !newest {
		c.ledger = c.ledger.Without(f.Op)
		delete(c.arriving, f.Op)
		if newest { // else a later operation brings it, speaks for it, and has the debt
			c.state = c.state.NoDebt(f.Move.Domain)
		}
		return Arrived{}, false
	}
	if r, ok := c.ledger.Find(f.Op); ok && r.Phase != policy.SettlingIn {
		c.settle(now, r)
	}
	c.supersede(f.Op, a.domain)
	a.handoff, a.told = f.Handoff, true
	c.arriving[f.Op] = a
	return c.arrive(now, f.Op, a), true
}
