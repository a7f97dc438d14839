package libvirt

import (
	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// domainState translates libvirt's state. A domain that is shutting down still
// has a QEMU, but its vCPUs have stopped for good.
func domainState(s lv.DomainState) policy.DomainState {
	switch s {
	case lv.DOMAIN_RUNNING, lv.DOMAIN_BLOCKED:
		return policy.StateRunning
	case lv.DOMAIN_PAUSED, lv.DOMAIN_PMSUSPENDED:
		return policy.StatePaused
	case lv.DOMAIN_SHUTDOWN, lv.DOMAIN_SHUTOFF:
		return policy.StateShutoff
	case lv.DOMAIN_CRASHED:
		return policy.StateCrashed
	default:
		return policy.StateUnknown
	}
}

// migrationRole is the part in a migration that a state gives away by itself,
// for when the job has not been asked for. A domain that is paused for a
// migration is arriving, unless it is known to be leaving: the source shows
// the same state for the moment of the switch-over.
func migrationRole(s policy.DomainState, reason int, leaving bool) policy.Job {
	switch s {
	case policy.StateRunning:
		switch lv.DomainRunningReason(reason) {
		case lv.DOMAIN_RUNNING_POSTCOPY, lv.DOMAIN_RUNNING_POSTCOPY_FAILED:
			return policy.MigratingIn
		}
	case policy.StatePaused:
		switch lv.DomainPausedReason(reason) {
		case lv.DOMAIN_PAUSED_POSTCOPY:
			return policy.MigratingOut
		case lv.DOMAIN_PAUSED_MIGRATION:
			if !leaving {
				return policy.MigratingIn
			}
			return policy.MigratingOut
		}
	}
	return policy.NoJob
}

// switchedOver reports that the domain executes elsewhere by now: it was shut
// off here, or paused, because of a migration.
func switchedOver(s policy.DomainState, reason int, job policy.Job) bool {
	switch s {
	case policy.StateShutoff:
		return lv.DomainShutoffReason(reason) == lv.DOMAIN_SHUTOFF_MIGRATED
	case policy.StatePaused:
		switch lv.DomainPausedReason(reason) {
		case lv.DOMAIN_PAUSED_POSTCOPY, lv.DOMAIN_PAUSED_POSTCOPY_FAILED:
			return true
		case lv.DOMAIN_PAUSED_MIGRATION:
			// With a job this is the switch-over itself, which may still be
			// taken back; without one libvirtd was restarted in the middle.
			return job == policy.NoJob
		}
	}
	return false
}

// brokenOff reports that the domain here is what a post-copy has left that broke
// off: it may go on by itself when only the network has failed, or when a person
// resumes it; if the other half is gone, it never will.
func brokenOff(s policy.DomainState, reason int) bool {
	return s == policy.StatePaused && lv.DomainPausedReason(reason) == lv.DOMAIN_PAUSED_POSTCOPY_FAILED
}

// postCopy reports that the domain here is the one that was left behind by a
// switch-over to post-copy.
func postCopy(s policy.DomainState, reason int) bool {
	if s != policy.StatePaused {
		return false
	}
	r := lv.DomainPausedReason(reason)
	return r == lv.DOMAIN_PAUSED_POSTCOPY || r == lv.DOMAIN_PAUSED_POSTCOPY_FAILED
}
