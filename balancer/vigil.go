package balancer

import (
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

// Vigil says what is to be done while a migration runs, and when: its promise
// is renewed three times in a TTL, and at its deadline it is aborted, again and
// again if that does not help.
type Vigil struct {
	abort, renew           time.Time // when next
	abortEvery, renewEvery time.Duration
	late                   bool
}

// renewals is how often a promise is renewed in its TTL: two may be lost.
const renewals = 3

// NewVigil begins to attend an operation whose migration runs.
func NewVigil(now time.Time, o operation.Operation, t TransferOptions, ttl time.Duration) Vigil {
	return Vigil{
		abort:      now.Add(max(0, t.deadline(o.Move)-now.Sub(o.Begun))),
		renew:      now.Add(ttl / renewals),
		abortEvery: max(t.DeadlineMin, time.Second), renewEvery: ttl / renewals,
	}
}

// Next is when something is due.
func (v *Vigil) Next() time.Time {
	if v.abort.Before(v.renew) {
		return v.abort
	}
	return v.renew
}

// Due says what is, and expects it to be done.
func (v *Vigil) Due(now time.Time) (abort, renew bool) {
	if abort = !now.Before(v.abort); abort {
		v.late = true
		v.abort = now.Add(v.abortEvery)
	}
	if renew = !now.Before(v.renew); renew {
		v.renew = now.Add(v.renewEvery)
	}
	return abort, renew
}

// Claim is what the hypervisor says of the end, with the reason that only the
// vigil knows.
func (v *Vigil) Claim(o policy.Outcome) policy.Outcome {
	if v.late && o.Result == policy.Aborted {
		o.Reason = policy.DeadlineExceeded
	}
	return o
}
