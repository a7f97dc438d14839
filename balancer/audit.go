package balancer

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// auditTimeout is how long a target may take to say what a move has brought.
const auditTimeout = 10 * time.Second

// The source of a move knows what it was to bring, and when to ask; the target
// knows how the domain fares and what to do about it. So the source asks, with
// its own use, and the target judges, lengthens the domain's cooldown if the
// move did not help, and answers. The source writes the answer down. Whoever
// cannot answer, an older daemon among them, leaves the effect unknown.

// audit asks what has become of a move, and writes the answer down. A daemon
// that is stopped meanwhile asks again in its next life.
func (b *Balancer) audit(ctx context.Context, due AuditDue) {
	a := policy.Audit{Reason: policy.NoSample}
	if !due.Missed {
		a = b.askAudit(ctx, due)
	}
	if ctx.Err() != nil {
		return
	}
	a.At = time.Now()
	if err := b.o.Journal.Audited(due.Op, due.Horizon, a); err != nil {
		b.log.Warn("audit not written down", "op", due.Op, "err", err)
	}
	b.o.Observer.Audited(due.Horizon, a.Effect)
	if b.ask(ctx, func(c *Core) { c.Audited(due) }) != nil {
		return
	}
	_ = b.remember(ctx) // logged, and tried again at the next tick
	attrs := []any{
		"op", due.Op, "domain", due.Move.Name, "to", due.Move.To, "horizon", due.Horizon.String(),
		"effect", a.Effect.String(), "predicted_gain", due.Move.Gain().String(),
	}
	if a.Seen == nil {
		attrs = append(attrs, "reason", a.Reason.String())
	} else {
		attrs = append(attrs, "gain", a.Gain.String(), "from", a.Seen.From.String(), "to_now", a.Seen.To.String(),
			"wait_before", due.Move.Wait.String(), "wait", a.Seen.Wait.String())
	}
	b.log.Info("move audited", attrs...)
}

func (b *Balancer) askAudit(ctx context.Context, due AuditDue) policy.Audit {
	target, ok := b.o.Cluster.Endpoint(due.Move.To)
	if !ok {
		return policy.Audit{Reason: policy.Unreachable}
	}
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	a, err := b.o.Peers.Audit(ctx, target, due.Request())
	if err != nil {
		b.log.Debug("target does not say what a move has brought", "op", due.Op, "err", err)
		return policy.Audit{Reason: peer.ReasonOf(err)}
	}
	return a
}

// Audit answers the source of a move that brought a domain here.
func (b *Balancer) Audit(ctx context.Context, _ policy.HostID, r peer.AuditRequest) (policy.Audit, error) {
	var a policy.Audit
	err := b.ask(ctx, func(c *Core) { a = c.Audit(time.Now(), r) })
	if err == nil && a.Effect.Regretted() {
		_ = b.remember(ctx) // logged, and tried again at the next tick
	}
	return a, err
}

// AuditDue is one audit to be made, with the source's use.
type AuditDue struct {
	policy.Due
	Used policy.Fraction
}

// Request is what the target is asked.
func (d AuditDue) Request() peer.AuditRequest {
	return peer.AuditRequest{Op: d.Op, Move: d.Move, Late: d.Horizon == policy.Late, Used: d.Used}
}

// audits are those to be made now, each once in a life until it has been made.
// While this host does not know its own load they wait.
func (c *Core) audits(now time.Time) []AuditDue {
	var due []AuditDue
	for _, d := range c.tuning.Policy.AuditsDue(c.state, now) {
		if c.auditing[d.Op] || !d.Missed && c.blind(now) {
			continue
		}
		c.auditing[d.Op] = true
		due = append(due, AuditDue{d, c.utilization.Smoothed})
	}
	return due
}

// Audited records that an audit has been made.
func (c *Core) Audited(d AuditDue) {
	delete(c.auditing, d.Op)
	c.state = c.tuning.Policy.Audited(c.state, d.Due)
}

// Audit says what has become of a move that brought a domain here, and lengthens
// the domain's cooldown if it did not help. Asked again for the same audit it
// lengthens nothing more.
func (c *Core) Audit(now time.Time, r peer.AuditRequest) policy.Audit {
	unknown := func(why policy.Reason) policy.Audit { return policy.Audit{At: now, Reason: why} }
	i := slices.IndexFunc(c.domains, func(d policy.Domain) bool { return d.ID == r.Move.Domain })
	switch {
	case c.blind(now):
		return unknown(policy.HostBlind)
	case i < 0, c.domains[i].History.From != r.Move.From:
		return unknown(policy.MovedOn)
	case !c.domains[i].Known:
		return unknown(policy.NoStats)
	}
	d := &c.domains[i]
	a := r.Move.Judge(now, policy.Outlook{From: r.Used, To: c.utilization.Smoothed, Demand: d.Demand.CPU, Wait: d.Wait})
	if !a.Effect.Regretted() {
		return a
	}
	g := c.regrets[d.ID]
	if g.Op != r.Op {
		g = Regret{Domain: d.ID, Op: r.Op}
	}
	if r.Late {
		g.Late = true
	} else {
		g.Soon = true
	}
	c.regrets[d.ID] = g
	return a
}

// Regret is that a move which brought a domain here did not help, by one of its
// audits or both.
//
// Like the history of a domain that somebody else has brought, it is not written
// into the domain; our own next move of it takes it along.
type Regret struct {
	Domain policy.DomainID `json:"domain"`
	Op     policy.OpID     `json:"op"`
	Soon   bool            `json:"soon,omitempty"`
	Late   bool            `json:"late,omitempty"`
}

// regretted adds to the histories of the domains what audits have found, and
// forgets it of those that are not here any more. The list is complete, and its
// owner's to change.
func (c *Core) regretted(domains []policy.DomainCounters) {
	if len(c.regrets) == 0 {
		return
	}
	kept := make(map[policy.DomainID]Regret, len(c.regrets))
	for i := range domains {
		g, ok := c.regrets[domains[i].ID]
		if !ok {
			continue
		}
		kept[g.Domain] = g
		for _, found := range []bool{g.Soon, g.Late} {
			if found {
				domains[i].History.Unhelped++
			}
		}
	}
	c.regrets = kept
}

// rememberedRegrets is what must survive a restart, in the order of the IDs.
func (c *Core) rememberedRegrets() []Regret {
	var all []Regret
	for _, id := range slices.Sorted(maps.Keys(c.regrets)) {
		all = append(all, c.regrets[id])
	}
	return all
}
