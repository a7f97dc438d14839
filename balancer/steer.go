package balancer

import (
	"context"
	"fmt"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// SetPaused records what the operator wants: no new move, or moves again.
func (c *Core) SetPaused(paused bool) { c.paused = paused }

// SetCordoned records what the operator wants: take no domain in, or again.
func (c *Core) SetCordoned(cordoned bool) { c.cordoned = cordoned }

// SetDraining records what the operator wants: take no domain in and give all
// away that can move, or keep them again.
func (c *Core) SetDraining(draining bool) { c.draining = draining }

// SetPaused stops or restarts balancing on this host. Running migrations go on.
// Once it has returned nil, a restart does not forget it.
func (b *Balancer) SetPaused(ctx context.Context, paused bool) error {
	return b.steer(ctx, "paused", paused, func(c *Core) { c.SetPaused(paused) })
}

// SetCordoned has this host take no domain in, or take them again. Once it has
// returned nil, a restart does not forget it.
func (b *Balancer) SetCordoned(ctx context.Context, cordoned bool) error {
	return b.steer(ctx, "cordoned", cordoned, func(c *Core) { c.SetCordoned(cordoned) })
}

// SetDraining has this host give its domains away, or keep the rest: a
// migration that runs goes on. Once it has returned nil, a restart does not
// forget it.
func (b *Balancer) SetDraining(ctx context.Context, draining bool) error {
	return b.steer(ctx, "draining", draining, func(c *Core) { c.SetDraining(draining) })
}

// steer puts an operator's order in force and makes it durable.
func (b *Balancer) steer(ctx context.Context, flag string, set bool, order func(*Core)) error {
	err := b.ask(ctx, func(c *Core) {
		order(c)
		b.o.Cluster.Publish(c.HostState(time.Now()))
	})
	if err != nil {
		return err
	}
	b.log.Info("an operator's order", "flag", flag, "set", set)
	if err := b.remember(ctx); err != nil {
		return fmt.Errorf("done, but a restart will forget it: %w", err)
	}
	b.hurryUp()
	return nil
}

// hurryUp has the next tick come soon.
func (b *Balancer) hurryUp() {
	select {
	case b.hurry <- struct{}{}:
	default: // it is on its way already
	}
}

// hurryAfter looks anew as soon as a move has ended: at what this host runs now,
// which people ask for, and at what a drain has still to move, which unlike
// relief has no effect to wait for.
func (b *Balancer) hurryAfter(ctx context.Context, r policy.Result) {
	draining := false
	_ = b.ask(context.WithoutCancel(ctx), func(c *Core) { draining = c.draining }) // the owner outlives the drivers
	if draining || r == policy.Succeeded {
		b.hurryUp()
	}
}
