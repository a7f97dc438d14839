package libvirt

import (
	"context"
	"fmt"
	"sync"
)

// Run connects, keeps connected, and keeps what is known of the domains up to
// date until ctx ends. The only error it returns is that too many calls into
// libvirt have hung: the process should then be restarted.
//
// Migrations that are running when Run returns go on inside libvirtd.
func (h *Hypervisor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var links sync.WaitGroup
	links.Go(func() { h.stats.keep(ctx, nil) })
	links.Go(func() { h.control.keep(ctx, h.attend) })
	var err error
	select {
	case <-ctx.Done():
	case <-h.calls.tooMany:
		hung, _ := h.calls.counts()
		err = fmt.Errorf("%w: %d hang now", errTooMany, hung)
	}
	cancel()
	links.Wait()
	return err
}

// attend works on what is known of the domains for as long as a session lasts.
func (h *Hypervisor) attend(ctx context.Context, s *session) {
	h.known.forget() // events were missed
	var workers sync.WaitGroup
	for _, work := range []func(context.Context, *session){h.watchEvents, h.inspectDomains, h.probeJobs} {
		workers.Go(func() { work(ctx, s) })
	}
	workers.Wait()
}
