package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/hypervisor/libvirt"
	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// The adapters are what the balancer asks for.
var (
	_ balancer.Hypervisor = (*libvirt.Hypervisor)(nil)
	_ balancer.Hypervisor = (*fake.Hypervisor)(nil)
)

// openHypervisor opens what --hypervisor names, and runs it in the group.
func (d *daemon) openHypervisor(ctx context.Context, g *errgroup.Group) (balancer.Hypervisor, error) {
	switch {
	case d.hypervisorURL == "libvirt":
		h, err := libvirt.New(d.libvirtOptions())
		if err != nil {
			return nil, err
		}
		d.observer.watchLibvirt(h)
		g.Go(func() error { return h.Run(ctx) })
		return h, nil
	case strings.HasPrefix(d.hypervisorURL, "sim:"):
		h, closer, err := fake.Open(ctx, d.hypervisorURL)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = closer.Close() })
		d.observer.watchSimulation(h)
		return h, nil
	default:
		return nil, fmt.Errorf("--hypervisor %q is neither libvirt nor a sim: URL", d.hypervisorURL)
	}
}

func (d *daemon) libvirtOptions() libvirt.Options {
	l, h := d.config.Libvirt, d.config.Host
	return libvirt.Options{
		URI: l.URI, Proc: proc.New(h.Proc), Log: d.log.With("component", "libvirt"),
		CPUCapacity: float64(h.CPUCapacity) / 1000, Labels: h.Labels,
		Migration: libvirt.MigrationOptions{
			AutoConverge: l.AutoConverge, PostCopy: l.PostCopy, TLS: l.TLS, ParallelConnections: l.Parallel,
			Bandwidth: l.Bandwidth, MaxDowntime: l.MaxDowntime,
			ProbeTarget: 5 * time.Second, // a target without power would hold libvirtd for a minute
		},
		MoveTransient: l.MoveTransient, AssumeSharedPaths: l.AssumeSharedPaths,
		CallDeadline: l.CallTimeout,
	}
}
