package gossip

import (
	"time"
)

// isSelf reports whether a record claims to be of this host.
func (g *Gossip) isSelf(record []byte) bool {
	return len(record) >= len(hostKey{}) && hostKey(record[:len(hostKey{})]) == g.table.selfKey
}

// heardSelf judges a digest of this host that came back. Usually it is an echo,
// or one of a former life. One that is ahead of what this host has sent is a
// forgery or the work of a clone, and would make the others deaf to the true
// digests until these catch up: then this host takes a new epoch.
func (g *Gossip) heardSelf(record []byte) {
	d, err := decodeDigest(record)
	if err != nil {
		g.count.reject(CauseGarbage)
		return
	}
	if !g.outbox.ahead(d) {
		g.count.duplicates.Add(1)
		return
	}
	g.count.reject(CauseImpersonation)
	if g.outbox.mayRenew(time.Now()) {
		wake(g.forged)
	}
}

// ahead reports whether a digest of this epoch is numbered higher than any that
// this host sent.
func (o *outbox) ahead(d digest) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return d.epoch == o.epoch && d.seq > o.seq
}

// mayRenew limits new epochs to one a minute: each costs a round of meta.
func (o *outbox) mayRenew(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.renewedAt.IsZero() && now.Sub(o.renewedAt) < time.Minute {
		return false
	}
	o.renewedAt = now
	return true
}

func (o *outbox) currentEpoch() uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.epoch
}

// renewEpoch begins a new life in the eyes of the others.
func (g *Gossip) renewEpoch() {
	g.facts.Lock()
	defer g.facts.Unlock()
	epoch := newEpoch()
	if err := g.setMeta(g.opts.Self, epoch); err != nil {
		return // cannot be: the same facts were encoded before
	}
	g.outbox.mu.Lock()
	g.outbox.epoch, g.outbox.seq = epoch, 0
	g.outbox.unsent = !g.outbox.born.IsZero()
	g.outbox.mu.Unlock()
	g.log.Warn("another sender speaks in this host's name: numbering begins anew")
}
