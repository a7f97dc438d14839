package libvirt

import (
	"errors"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// classify translates an error of MigrateToURI3 by its code, never by its
// text. It says what libvirt claims; whether the domain is still here is
// looked at afterwards.
func classify(err error) (policy.Result, policy.Reason) {
	if _, ok := errors.AsType[errCutOff](err); ok {
		return policy.Unknown, policy.ConnectionLost
	}
	var e lv.Error
	if !errors.As(err, &e) {
		return policy.Failed, policy.LibvirtError
	}
	switch e.Code {
	case lv.ERR_OPERATION_ABORTED:
		return policy.Aborted, policy.Cancelled
	case lv.ERR_MIGRATE_PERSIST_FAILED:
		// It runs on the target, but its definition was not saved there.
		return policy.Succeeded, policy.Completed
	case lv.ERR_MIGRATE_UNSAFE:
		return policy.Failed, policy.UnsafeStorage
	case lv.ERR_CPU_INCOMPATIBLE:
		return policy.Failed, policy.CPUIncompatible
	case lv.ERR_NO_DOMAIN:
		return policy.Failed, policy.SourceGone
	case lv.ERR_AUTH_FAILED, lv.ERR_AUTH_CANCELLED, lv.ERR_AUTH_UNAVAILABLE,
		lv.ERR_ACCESS_DENIED, lv.ERR_OPERATION_DENIED:
		return policy.Failed, policy.Unauthorized
	default:
		return policy.Failed, policy.LibvirtError
	}
}

// conclude says how a migration has ended from what is seen of the domain here
// once no migration runs on it any more. gone means that libvirt was asked and
// has no such domain; stopped is the event that took it away, if seen.
//
// Only what is positively seen becomes a result. A domain that is absent, or
// paused in the middle, may run on the target, and only the target can tell.
func conclude(r reading, gone bool, stopped stop, seen bool, claim policy.Outcome) policy.Outcome {
	o := claim
	if gone || r.state == policy.StateShutoff || r.state == policy.StateCrashed {
		away := switchedOver(r.state, r.reason, r.job) && !gone
		switch {
		case (seen && stopped.migrated || away) && (claim.Detail == "" || claim.Reason == policy.ConnectionLost):
			o.Result, o.Reason = policy.Succeeded, policy.Completed
		case seen && !stopped.migrated && !away, !gone && !away:
			o.Result, o.Reason = policy.Failed, policy.SourceGone
		default:
			// It went because of a migration of which libvirt also reported an
			// error, or nobody saw how it went.
			o.Result, o.Reason = policy.Unknown, policy.NotLocated
		}
		return withDetail(o, "the domain is not active here any more")
	}
	if r.state == policy.StateRunning && r.job == policy.NoJob {
		if o.Result != policy.Aborted {
			o.Result = policy.Failed
		}
		if o.Reason == policy.OK {
			o.Reason = policy.Interrupted
		}
		return withDetail(o, "the domain runs here and no migration does")
	}
	o.Result, o.Reason = policy.Unknown, policy.NotLocated
	return withDetail(o, "the domain is "+r.state.String()+" here")
}

// withDetail adds to what libvirt said.
func withDetail(o policy.Outcome, seen string) policy.Outcome {
	if o.Detail == "" {
		o.Detail = seen
	} else {
		o.Detail += "; " + seen
	}
	return o
}
