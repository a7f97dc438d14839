package balancer

import (
	"context"
	"fmt"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// Reserve answers a source that asks for room. The checks of the hypervisor
// take time and are made first, outside the owner; the room is looked at and
// booked in one step after them, so two sources never get the same room. Last of
// all comes a look for those whose promises have ended in silence.
func (b *Balancer) Reserve(ctx context.Context, _ policy.HostID, r peer.ReserveRequest) peer.ReserveReply {
	var reply peer.ReserveReply
	var why policy.Reason
	var detail string
	err := b.ask(ctx, func(c *Core) { why = c.WouldAdmit(time.Now(), r) })
	if err == nil && why == policy.OK {
		why, detail = b.o.Hypervisor.Preflight(ctx, r.Description)
	}
	if err == nil && why == policy.OK {
		why, detail, err = b.lookForLapsed(ctx)
	}
	if err == nil {
		err = b.ask(ctx, func(c *Core) {
			reply = c.Reply(time.Now(), r, why, detail)
			b.o.Cluster.Publish(reply.Host.HostState)
		})
	}
	if err != nil {
		reply.Reason, reply.Detail = policy.Unreachable, "the daemon is stopping"
	}
	if err := b.remember(ctx); err != nil && reply.Reason == policy.OK {
		// A target that was restarted would not know whose arrival to finish.
		reply.Reason, reply.Detail = policy.JournalUnwritable, err.Error()
		_ = b.ask(ctx, func(c *Core) { c.Revoke(r.Op) }) // or the daemon is stopping
	} else if reply.Reason == policy.OK {
		failpoint("granted")
	}
	b.o.Observer.Asked(reply.Reason)
	b.log.Info("asked for room", "op", r.Op, "domain", r.Move.Name, "from", r.Move.From,
		"answer", reply.Reason.String(), "detail", reply.Detail,
		"cpu", reply.Host.Utilization(policy.CPU).String(), "memory", reply.Host.Utilization(policy.Memory).String())
	return reply
}

// lookForLapsed asks the hypervisor for the domains that may still come though
// their promises have ended: the last sample may be too old to show them.
func (b *Balancer) lookForLapsed(ctx context.Context) (why policy.Reason, detail string, err error) {
	var lapsed []policy.DomainID
	if err := b.ask(ctx, func(c *Core) { lapsed = c.Lapsed(time.Now()) }); err != nil {
		return policy.OK, "", err
	}
	for _, id := range lapsed {
		p, err := b.o.Hypervisor.Locate(ctx, id)
		if err != nil || !p.Known {
			return policy.PreflightFailed, fmt.Sprintf("whether domain %s is on its way here: %v", id, err), nil
		}
		if err := b.ask(ctx, func(c *Core) { c.Found(time.Now(), id, p) }); err != nil {
			return policy.OK, "", err
		}
	}
	return policy.OK, "", nil
}

// Renew keeps a promise alive; false if there is none for who asks.
func (b *Balancer) Renew(ctx context.Context, from policy.HostID, op policy.OpID) (bool, error) {
	alive := false
	err := b.ask(ctx, func(c *Core) { alive = c.Renew(time.Now(), from, op) })
	return alive, err
}

// Finish takes in how an operation ended, and completes the arrival of a domain
// that had been promised its place here. Of any other nothing is touched,
// whoever asks.
func (b *Balancer) Finish(ctx context.Context, _ policy.HostID, f peer.FinishRequest) error {
	var a Arrived
	arrived := false
	err := b.ask(ctx, func(c *Core) {
		now := time.Now()
		a, arrived = c.Ended(now, f)
		b.o.Cluster.Publish(c.HostState(now))
	})
	if err == nil && f.Result == policy.Succeeded {
		failpoint("finished")
	}
	if err != nil || !arrived {
		return err
	}
	b.hurryUp() // the source does, too: one of them always shows the domain
	return b.settle(ctx, a)
}

// Locate says what this host's hypervisor knows of a domain. If whoever asks
// calls for a person, nothing moves here, either, until it says that one has
// looked.
func (b *Balancer) Locate(ctx context.Context, from policy.HostID, r peer.LocateRequest) (policy.Presence, error) {
	if a := r.Alarm; a != nil {
		news := false
		err := b.ask(ctx, func(c *Core) {
			now := time.Now()
			if news = c.Alarmed(now, from, r.Domain, *a); news {
				b.o.Cluster.Publish(c.HostState(now))
			}
		})
		if err != nil {
			return policy.Presence{}, err
		}
		if news {
			b.log.Error("a person must look: the host that was to move a domain here does not know where it runs",
				"op", a.Op, "domain", a.Name, "uuid", r.Domain, "reason", a.Reason.String(), "from", from)
			_ = b.remember(ctx) // logged, and tried again at the next tick
		}
	}
	return b.o.Hypervisor.Locate(ctx, r.Domain)
}
