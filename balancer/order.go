package balancer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

// Order turns what a person wants into a move by the newest facts, or says why
// it is not to be. A proposal must be one of the last decision.
func (c *Core) Order(now time.Time, fleet Fleet, o policy.Order) (policy.Move, policy.Reason) {
	if o.Why != policy.Manual {
		i := slices.IndexFunc(c.decision.Plan, func(m policy.Move) bool { return m.Domain == o.Domain })
		if i < 0 {
			return policy.Move{}, policy.Superseded
		}
		o.Why = c.decision.Plan[i].Why
	}
	return c.tuning.Policy.Order(c.View(now, fleet), c.state, o)
}

// Cancel has an operation go no further; false if there is none of that ID. What
// runs already has to be aborted.
func (c *Core) Cancel(op policy.OpID) (operation.Operation, bool) {
	o, ok := c.operations[op]
	if ok {
		c.cancelled[op] = true
	}
	return o, ok
}

// Move makes one move that a person wants, or only checks it.
func (b *Balancer) Move(ctx context.Context, order api.MoveOrder) (api.Operation, error) {
	want, err := b.wanted(ctx, order)
	if err != nil {
		return api.Operation{}, err
	}
	var m policy.Move
	var why policy.Reason
	var known map[policy.HostID]string
	fleet := b.fleet()
	err = b.ask(ctx, func(c *Core) {
		now := time.Now()
		m, why = c.Order(now, fleet, want)
		known = names(c.View(now, fleet))
	})
	if err == nil && why == policy.OK {
		// What the target would refuse anyway need not enter the journal.
		var detail string
		if why, detail, err = b.preflight(ctx, m); err == nil && why != policy.OK {
			return api.Operation{}, &api.Refusal{Reason: why, Detail: detail}
		}
	}
	switch {
	case err != nil:
		return api.Operation{}, err
	case why != policy.OK:
		return api.Operation{}, &api.Refusal{Reason: why}
	case order.Check:
		return api.Operation{Move: m, ToName: known[m.To]}, nil
	}
	return b.begun(ctx, want)
}

// wanted resolves the names of an order.
func (b *Balancer) wanted(ctx context.Context, order api.MoveOrder) (policy.Order, error) {
	g, err := b.glance(ctx)
	if err != nil {
		return policy.Order{}, err
	}
	want := policy.Order{Why: policy.Manual, ForceLoad: order.ForceLoad}
	if order.Proposed {
		want.Why = policy.OK // what it was proposed for
	}
	for _, d := range g.view.Domains {
		if d.Name == order.Domain || string(d.ID) == order.Domain {
			want.Domain = d.ID
		}
	}
	if want.Domain == "" {
		return want, fmt.Errorf("this host runs no domain %q; virtbalance vms lists them", order.Domain)
	}
	for _, h := range g.view.Hosts {
		switch {
		case h.Name != order.To && string(h.ID) != order.To:
		case want.To != "":
			return want, fmt.Errorf("several hosts are called %q: say which by its UUID", order.To)
		default:
			want.To = h.ID
		}
	}
	if want.To == "" {
		return want, fmt.Errorf("no host %q is known here; virtbalance hosts lists them", order.To)
	}
	return want, nil
}

// begun begins an operation for what a person wants. It is judged once more in
// the same step: two orders at once do not both get the only slot.
func (b *Balancer) begun(ctx context.Context, want policy.Order) (api.Operation, error) {
	type answer struct {
		o   operation.Operation
		why policy.Reason
		err error
	}
	answered := make(chan answer, 1)
	order := func(running context.Context) {
		target, ok := b.o.Cluster.Endpoint(want.To)
		if !ok {
			answered <- answer{why: policy.HostStale}
			return
		}
		fleet := b.fleet()
		var a answer
		a.err = b.ask(running, func(c *Core) {
			now := time.Now()
			var m policy.Move
			if m, a.why = c.Order(now, fleet, want); a.why == policy.OK {
				a.o = c.Begin(now, b.o.NewID(), m, target)
			}
		})
		if a.err == nil && a.why == policy.OK {
			b.log.Info("an operator's order", "move", a.o.Move.Name, "to", want.To, "op", a.o.ID)
			b.drivers.Go(func() { b.drive(running, a.o) })
		}
		answered <- a
	}
	select {
	case b.orders <- order:
	case <-ctx.Done():
		return api.Operation{}, ctx.Err()
	}
	select {
	case a := <-answered:
		switch {
		case a.err != nil:
			return api.Operation{}, a.err
		case a.why != policy.OK:
			return api.Operation{}, &api.Refusal{Reason: a.why}
		}
		g, err := b.glance(ctx)
		return b.show(a.o, g.names()), err
	case <-ctx.Done():
		return api.Operation{}, ctx.Err()
	}
}

// Cancel has a running operation given up: before its migration, or by aborting
// it. Whether it did not complete all the same, its outcome tells.
func (b *Balancer) Cancel(ctx context.Context, op policy.OpID) error {
	var o operation.Operation
	found := false
	if err := b.ask(ctx, func(c *Core) { o, found = c.Cancel(op) }); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("no operation %s is open here", op)
	}
	b.log.Info("an operator's order", "cancel", op, "domain", o.Move.Name, "phase", o.Phase.String())
	if o.Phase != operation.Started {
		return nil // Recheck comes before the migration
	}
	if err := b.o.Hypervisor.Abort(ctx, o.Move.Domain); err != nil {
		return fmt.Errorf("abort the migration of %s: %w", o.Move.Name, err)
	}
	return nil
}
