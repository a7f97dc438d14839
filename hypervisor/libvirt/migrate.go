package libvirt

import (
	"context"
	"fmt"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// The pace of progress reports. The first comes early, because a small guest
// is gone within a second.
const (
	progressFirst = 200 * time.Millisecond
	progressEvery = time.Second
)

// Migrate live-migrates one domain, peer to peer: libvirtd does it with the
// other libvirtd, and goes on if this process ends.
//
// The domain is inspected first, whatever is known of it, because a snapshot
// or a block job may have come since. The guest's memory goes to the host that
// t.URI names, whatever qemu.conf on the target says.
func (h *Hypervisor) Migrate(ctx context.Context, t hypervisor.Transfer, progress func(policy.Progress)) policy.Outcome {
	began := time.Now()
	refused := func(r policy.Reason, detail string) policy.Outcome {
		return policy.Outcome{Result: policy.Failed, Reason: r, Detail: detail, Duration: time.Since(began)}
	}
	s, err := h.control.current()
	if err != nil {
		return refused(policy.LibvirtError, err.Error())
	}
	p, err := h.pursue(t.Domain)
	if err != nil {
		return refused(policy.JobActive, err.Error())
	}
	defer p.release()
	plan, f, err := h.plan(ctx, s, t)
	switch {
	case noDomain(err):
		return refused(policy.SourceGone, message(err))
	case err != nil:
		return refused(policy.LibvirtError, "not started: "+message(err))
	case f.Reason != policy.OK:
		return refused(f.Reason, f.Detail)
	}
	if err := probe(ctx, t.URI, h.opts.Migration.ProbeTarget); err != nil {
		return refused(policy.Unreachable, err.Error())
	}

	done := make(chan error, 1)
	p.hold()
	go func() {
		// This may last for hours and is not counted among the calls; the
		// pursuit is what says that it goes on.
		defer p.release()
		done <- h.perform(p, t, plan)
	}()
	return h.accompany(ctx, p, began, plan, done, progress)
}

// plan is everything that a migration is started with.
type plan struct {
	flags       lv.DomainMigrateFlags
	params      lv.DomainMigrateParameters
	maxDowntime time.Duration
}

// plan inspects the domain and makes the call's arguments. A finding other
// than OK says why it must not be made.
func (h *Hypervisor) plan(ctx context.Context, s *session, t hypervisor.Transfer) (plan, finding, error) {
	f, _, err := h.inspect(ctx, s, t.Domain)
	if err != nil || f.Reason != policy.OK {
		return plan{}, f, err
	}
	type now struct {
		reading
		persistent bool
	}
	n, err := onDomain(ctx, h, s, t.Domain, "read the state", func(d *lv.Domain) (now, error) {
		r, err := read(d)
		if err != nil {
			return now{}, err
		}
		persistent, err := d.IsPersistent()
		return now{r, persistent}, err
	})
	switch {
	case err != nil:
		return plan{}, finding{}, err
	case n.job != policy.NoJob:
		return plan{}, because(policy.JobActive, "job on the domain: %s", n.job), nil
	case n.state != policy.StateRunning:
		return plan{}, because(policy.NotRunning, "the domain is %s", n.state), nil
	}
	return makePlan(h.opts.Migration, t, n.persistent), finding{}, nil
}

// makePlan never sets UNSAFE, TUNNELLED or a flag that copies storage.
func makePlan(o MigrationOptions, t hypervisor.Transfer, persistent bool) plan {
	p := plan{
		flags: lv.MIGRATE_LIVE | lv.MIGRATE_PEER2PEER | lv.MIGRATE_ABORT_ON_ERROR,
	}
	if persistent {
		// Without both, a persistent domain ends up defined here and
		// transient there: startable on the wrong host, gone on the right one.
		p.flags |= lv.MIGRATE_PERSIST_DEST | lv.MIGRATE_UNDEFINE_SOURCE
	}
	if o.AutoConverge {
		p.flags |= lv.MIGRATE_AUTO_CONVERGE
	}
	if o.PostCopy {
		p.flags |= lv.MIGRATE_POSTCOPY
	}
	if o.TLS {
		p.flags |= lv.MIGRATE_TLS
	}
	if o.ParallelConnections > 1 {
		p.flags |= lv.MIGRATE_PARALLEL
		p.params.ParallelConnections, p.params.ParallelConnectionsSet = o.ParallelConnections, true
	}
	bandwidth := o.Bandwidth
	if t.Bandwidth > 0 {
		bandwidth = t.Bandwidth
	}
	if bandwidth > 0 { // in MiB/s; 0 would mean unlimited
		p.params.Bandwidth, p.params.BandwidthSet = uint64(max(1, bandwidth/policy.MiB)), true
	}
	if uri := dataURI(t.URI); uri != "" {
		p.params.URI, p.params.URISet = uri, true
	}
	p.maxDowntime = o.MaxDowntime
	if t.MaxDowntime > 0 {
		p.maxDowntime = t.MaxDowntime
	}
	return p
}

// errNotStarted marks what went wrong before libvirt was asked to migrate.
type errNotStarted struct{ error }

func (e errNotStarted) Unwrap() error { return e.error }

// perform makes the call, on a connection of its own, and returns when libvirt
// does.
func (h *Hypervisor) perform(p *pursuit, t hypervisor.Transfer, plan plan) error {
	sick := make(chan string, 1) // nobody replaces this connection
	c, err := dial(h.opts, sick)
	if err != nil {
		return errNotStarted{fmt.Errorf("connect for the migration: %w", err)}
	}
	defer c.drop()
	d, err := c.lv.LookupDomainByUUIDString(string(t.Domain))
	if err != nil {
		return errNotStarted{err}
	}
	defer func() { _ = d.Free() }()
	if !p.start() {
		return errNotStarted{context.Canceled}
	}
	h.log.Info("migration started", "domain", t.Domain, "uri", t.URI)
	err = d.MigrateToURI3(t.URI, &plan.params, plan.flags)
	if err == nil {
		return nil
	}
	if alive, aliveErr := c.lv.IsAlive(); aliveErr == nil && !alive {
		return errCutOff{err}
	}
	return err
}

// errCutOff marks an error that came because the connection to the local
// libvirtd broke: the migration may be going on.
type errCutOff struct{ error }

func (e errCutOff) Unwrap() error { return e.error }

// accompany reports progress until the migration ends or the caller leaves.
func (h *Hypervisor) accompany(ctx context.Context, p *pursuit, began time.Time, plan plan,
	done <-chan error, progress func(policy.Progress),
) policy.Outcome {
	f := follower{h: h, id: p.id, began: began, maxDowntime: plan.maxDowntime, postCopy: h.opts.Migration.PostCopy, progress: progress}
	next := time.After(progressFirst)
	for {
		select {
		case err := <-done:
			return f.ended(ctx, p, err)
		case <-ctx.Done():
			if p.abandon() {
				return f.outcome(policy.Failed, policy.Cancelled, "not started: "+ctx.Err().Error())
			}
			return f.left(ctx)
		case <-next:
			_, _, _ = f.poll(ctx) // the end is told by done
			next = time.After(progressEvery)
		}
	}
}
