package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/virtbalance/virtbalance/balancer/config"
)

// reload applies the configuration file again at each SIGHUP, and keeps the old
// configuration when there is anything wrong with the new one.
func (d *daemon) reload(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hangup:
		}
		d.tell(d.notify.Reloading())
		if err := d.reloadOnce(ctx); err != nil {
			d.log.Error("configuration not reloaded, the old one stays in force", "err", err)
			d.tell(d.notify.Status(fmt.Sprintf("configuration not reloaded: %v", err)))
		}
		d.tell(d.notify.Ready())
	}
}

func (d *daemon) reloadOnce(ctx context.Context) error {
	next, err := config.Load(d.path)
	if err != nil {
		return err
	}
	live := config.Live(d.config, next)
	if err := live.Validate(); err != nil {
		return err
	}
	b := d.balancer.Load()
	if b == nil {
		return errors.New("the daemon is still starting")
	}
	keys, err := live.GossipKeys(os.Getenv)
	if err != nil {
		return err
	}
	if len(keys) > 0 { // none with gossip.insecure
		if err := d.gossip.Rekey(keys); err != nil {
			return err
		}
	}
	changes, needRestart := config.Reloadable(d.config, next)
	d.config = live
	d.level.Set(live.LogLevel)
	if err := b.ConfigureLabels(ctx, live.Host.Labels); err != nil {
		return err
	}
	if err := b.Retune(ctx, tuning(live)); err != nil {
		return err
	}
	for _, c := range changes {
		d.log.Info("configuration changed", "key", c.Key, "old", c.Old, "new", c.New)
	}
	for _, c := range needRestart {
		d.log.Warn("configuration changed, but only a restart puts this in force", "key", c.Key, "old", c.Old, "new", c.New)
	}
	return nil
}
