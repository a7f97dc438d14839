package libvirt

import (
	"context"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// reading is what libvirt says of one active domain at one moment.
type reading struct {
	state  policy.DomainState
	reason int
	job    policy.Job
	// progress is of a migration out.
	progress policy.Progress
}

// read asks for the state and the job of a domain. It runs inside a call.
func read(d *lv.Domain) (reading, error) {
	var r reading
	state, reason, err := d.GetState()
	if err != nil {
		return r, err
	}
	r.state, r.reason = domainState(state), reason
	if state == lv.DOMAIN_SHUTOFF {
		return r, nil
	}
	stats, err := d.GetJobStats(0)
	switch {
	case err == nil:
		r.job, r.progress = jobOf(stats), progressOf(stats)
	case hasCode(err, lv.ERR_OPERATION_UNSUPPORTED):
		// How the destination of a migration answers: the statistics are
		// available on the source only.
		r.job = policy.MigratingIn
	case noSupport(err): // a driver without jobs
	default:
		return r, err
	}
	if brokenOff(r.state, r.reason) {
		r.job = policy.NoJob // libvirt keeps it, for a person who may resume it
	}
	r.progress.PostCopy = postCopy(r.state, r.reason)
	return r, nil
}

// jobOf tells a migration from every other job.
func jobOf(s *lv.DomainJobInfo) policy.Job {
	switch s.Type {
	case lv.DOMAIN_JOB_BOUNDED, lv.DOMAIN_JOB_UNBOUNDED:
	default: // none, or one that has ended
		return policy.NoJob
	}
	switch s.Operation {
	case lv.DOMAIN_JOB_OPERATION_MIGRATION_OUT:
		return policy.MigratingOut
	case lv.DOMAIN_JOB_OPERATION_MIGRATION_IN:
		return policy.MigratingIn
	default:
		return policy.OtherJob
	}
}

// progressOf translates the statistics of a migration out.
func progressOf(s *lv.DomainJobInfo) policy.Progress {
	return policy.Progress{
		Elapsed:   milliseconds(s.TimeElapsed),
		Total:     plain(s.DataTotal),
		Processed: plain(s.DataProcessed),
		Remaining: plain(s.DataRemaining),
		DirtyRate: plain(product(s.MemDirtyRate, s.MemPageSize)), // libvirt counts pages
		Bandwidth: plain(s.MemBps),
		Iteration: int(min(s.MemIteration, 1<<30)),
	}
}

func milliseconds(n uint64) time.Duration {
	return nanoseconds(product(n, uint64(time.Millisecond)))
}

// probeEvery is the pace at which jobs are looked for, probeScan the number of
// domains among those without any sign of a job that are asked each time.
const (
	probeEvery = time.Second
	probeScan  = 2
)

// probeJobs looks for jobs that nobody told of: migrations that an earlier
// life of this daemon or a person has started, backups, snapshots being made.
func (h *Hypervisor) probeJobs(ctx context.Context, s *session) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, id := range h.known.toAsk(probeScan) {
			at := time.Now()
			r, err := onDomain(ctx, h, s, id, "read the job", read)
			if ctx.Err() != nil {
				return
			}
			switch {
			case err == nil:
				h.known.jobIs(id, r.job, r.state, r.reason, at)
			case !noDomain(err):
				h.known.jobHint(id) // ask again
			}
		}
	}
}
