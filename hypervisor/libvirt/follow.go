package libvirt

import (
	"context"
	"errors"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// figuresWait is how long the figures of a migration that has ended are waited
// for; they come as an event of their own.
const figuresWait = time.Second

// follower follows one migration and puts its outcome together.
type follower struct {
	h        *Hypervisor
	id       policy.DomainID
	began    time.Time
	progress func(policy.Progress)

	// What is to be done once the job is seen running.
	maxDowntime time.Duration
	postCopy    bool

	last policy.Progress
}

// Watch follows a migration out that is running already. If none is, the
// outcome says what the domain's state gives away.
func (h *Hypervisor) Watch(ctx context.Context, id policy.DomainID, progress func(policy.Progress)) policy.Outcome {
	f := follower{h: h, id: id, began: time.Now(), progress: progress}
	p, err := h.pursue(id)
	if err != nil {
		return f.outcome(policy.Unknown, policy.NotLocated, err.Error())
	}
	defer p.release()
	return f.follow(ctx, p, policy.Outcome{})
}

// poll looks once and reports progress. ok is false if there was no answer or
// no migration.
func (f *follower) poll(ctx context.Context) (r reading, ok bool, err error) {
	s, err := f.h.control.current()
	if err != nil {
		return r, false, err
	}
	r, err = onDomain(ctx, f.h, s, f.id, "read the progress", read)
	if err != nil {
		return r, false, err
	}
	f.h.known.jobIs(f.id, r.job, r.state, r.reason, time.Now())
	if r.job != policy.MigratingOut {
		return r, false, nil
	}
	f.last = r.progress
	if f.progress != nil {
		f.progress(r.progress)
	}
	f.steer(ctx, s, r)
	return r, true, nil
}

// steer does what can only be done while the job runs.
func (f *follower) steer(ctx context.Context, s *session, r reading) {
	if f.maxDowntime > 0 {
		limit := uint64(max(1, f.maxDowntime/time.Millisecond))
		_, err := onDomain(ctx, f.h, s, f.id, "set the longest downtime", func(d *lv.Domain) (struct{}, error) {
			return struct{}{}, d.MigrateSetMaxDowntime(limit, 0)
		})
		if err != nil {
			f.h.log.Warn("longest downtime not set", "domain", f.id, "err", err)
		}
		f.maxDowntime = 0
	}
	// The first pass carries what never changes; what is left after it is what
	// the guest is working on.
	if f.postCopy && r.progress.Iteration > 1 {
		_, err := onDomain(ctx, f.h, s, f.id, "switch to post-copy", func(d *lv.Domain) (struct{}, error) {
			return struct{}{}, d.MigrateStartPostCopy(0)
		})
		if err != nil {
			f.h.log.Warn("post-copy not started", "domain", f.id, "err", err)
			return
		}
		f.postCopy = false
	}
}

// ended makes the outcome of a migration whose call has returned.
func (f *follower) ended(ctx context.Context, p *pursuit, err error) policy.Outcome {
	if err == nil {
		return f.figures(ctx, p, f.outcome(policy.Succeeded, policy.Completed, ""))
	}
	result, why := classify(err)
	claim := f.outcome(result, why, message(err))
	if _, ok := errors.AsType[errNotStarted](err); ok {
		claim.Detail = "not started: " + claim.Detail
		return claim
	}
	if result == policy.Succeeded {
		return f.figures(ctx, p, claim)
	}
	return f.follow(ctx, p, claim)
}

// follow looks until the migration has ended as far as can be seen here, or
// ctx has. claim is what libvirt returned, its Detail empty if nothing did.
func (f *follower) follow(ctx context.Context, p *pursuit, claim policy.Outcome) policy.Outcome {
	for {
		r, running, err := f.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return f.left(ctx)
		case running:
		case err == nil, noDomain(err):
			stopped, seen := f.stop(ctx, r, err != nil)
			o := conclude(r, err != nil, stopped, seen, claim)
			o.Duration = time.Since(f.began)
			return f.figures(ctx, p, o)
		}
		select {
		case <-ctx.Done():
			return f.left(ctx)
		case stats := <-p.final: // look at once
			p.finished(stats)
			if !wait(ctx, progressFirst) {
				return f.left(ctx)
			}
		case <-time.After(progressEvery):
		}
	}
}

// stop is the event that took the domain away. An answer of libvirt can overtake
// it, so it is waited for a little if the domain has gone.
func (f *follower) stop(ctx context.Context, r reading, gone bool) (stop, bool) {
	const patience = time.Second
	for began := time.Now(); ; {
		stopped, seen := f.h.known.stopSince(f.id, f.began)
		if seen || !gone && r.state != policy.StateShutoff || time.Since(began) > patience || !wait(ctx, patience/20) {
			return stopped, seen
		}
	}
}

// left is the outcome for a caller whose context ended.
func (f *follower) left(ctx context.Context) policy.Outcome {
	return f.outcome(policy.Unknown, policy.NotLocated,
		"no longer waited for ("+ctx.Err().Error()+"); the migration may be running")
}

func (f *follower) outcome(result policy.Result, why policy.Reason, detail string) policy.Outcome {
	return policy.Outcome{
		Result: result, Reason: why, Detail: detail,
		Duration: time.Since(f.began), Transferred: f.last.Processed,
	}
}

// figures completes an outcome with what libvirt reports at the end of a job.
func (f *follower) figures(ctx context.Context, p *pursuit, o policy.Outcome) policy.Outcome {
	select {
	case stats := <-p.final:
		if stats.DowntimeSet {
			o.Downtime = milliseconds(stats.Downtime)
		}
		if stats.DataProcessedSet {
			o.Transferred = plain(stats.DataProcessed)
		}
		if stats.TimeElapsedSet && stats.TimeElapsed > 0 {
			o.Duration = milliseconds(stats.TimeElapsed)
		}
	case <-ctx.Done():
	case <-time.After(figuresWait):
	}
	return o
}
