package operation

import "github.com/virtbalance/virtbalance/policy"

// Verdict is what can be concluded from where a domain is.
type Verdict uint8

// The verdicts.
const (
	// NotEstablished: ask again; conclude nothing.
	NotEstablished Verdict = iota
	// StillMigrating: the job runs; watch it.
	StillMigrating
	// Settled: Result and Reason are true.
	Settled
)

// Conclusion is a verdict with what it says.
type Conclusion struct {
	Verdict Verdict
	Result  policy.Result
	Reason  policy.Reason
}

// Establish concludes from what both hosts say where the domain is, and so how
// the migration ended. claimed is what the source's hypervisor returned; it
// only tells apart two ways of not having moved.
//
//	source             target            conclusion
//	running, no job    not active        failed, or aborted if that was claimed
//	running, no job    paused            not established: it may be about to run there
//	any, job out       any               still migrating
//	not active         running           succeeded
//	running            running           duplicated: a person must look
//	paused             running           paused at source: a person must look
//	paused             not running       paused at source: a person must look
//	not active         not active        shut down, if one host defines it; else lost
//	anything           not known         not established
func Establish(source, target policy.Presence, claimed policy.Outcome) Conclusion {
	open := func(why policy.Reason) Conclusion { return Conclusion{NotEstablished, policy.Unknown, why} }
	settled := func(r policy.Result, why policy.Reason) Conclusion { return Conclusion{Settled, r, why} }

	switch {
	case !source.Known:
		return open(policy.NotLocated)
	case source.Active && source.Job == policy.MigratingOut:
		// Paused here means the switch-over or post-copy: still libvirt's turn.
		return Conclusion{StillMigrating, policy.Unknown, policy.OK}
	case !target.Known:
		return open(policy.NotLocated)
	case source.Running() && target.Running():
		return open(policy.Duplicated)
	case source.Running() && target.Active:
		// The target tidies up; or its answer was lost, or older than that of the
		// source, and it runs the domain, too.
		return open(policy.NotLocated)
	case source.Running():
		return didNotMove(claimed)
	case source.Active && source.State == policy.StatePaused:
		return open(policy.PausedAtSource)
	case source.Active:
		return open(policy.NotLocated)
	case target.Running():
		return settled(policy.Succeeded, policy.Completed)
	case target.Active:
		return open(policy.NotLocated)
	case target.Defined && !source.Defined:
		// It arrived, and was shut down there.
		return settled(policy.Succeeded, policy.Completed)
	case source.Defined && !source.MigratedAway, claimed.Reason == policy.SourceGone:
		// It was shut down here; a transient domain is then gone.
		return settled(policy.Failed, policy.SourceGone)
	default:
		return open(policy.Lost)
	}
}

// didNotMove tells apart the ways of having stayed on the source.
func didNotMove(claimed policy.Outcome) Conclusion {
	result, why := claimed.Result, claimed.Reason
	if result != policy.Aborted {
		result = policy.Failed
	}
	if why == policy.OK || why == policy.Completed {
		why = policy.Interrupted // nothing was claimed: an earlier life of the daemon began it
	}
	return Conclusion{Settled, result, why}
}
