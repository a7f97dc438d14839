package balancer

import (
	"context"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// Cluster tells the other hosts of this one, and this one of the others. What
// it says is a hint, never authority: the target decides about its own room.
type Cluster interface {
	// Publish hands over this host's newest state. It does not block; the
	// cluster tells the others at its own pace, sooner when the band or the
	// flags change.
	Publish(policy.HostState)

	// SetFacts tells the others that this host has changed. The error says why
	// the facts cannot be told.
	SetFacts(policy.HostFacts) error

	// Hosts returns every other host that is a member now, with the time at
	// which its state arrived. Hosts whose state has not arrived are left out.
	Hosts() []policy.Host

	// Known counts the hosts heard from in the last day, this one included.
	Known() int

	// Missing returns the hosts among those of which nothing is known now.
	Missing() []policy.MissingHost

	// Conflict reports that another host claims to be this one: a cloned
	// machine. Nobody can tell then whose state is whose.
	Conflict() bool

	// Endpoint returns where the daemon of a host answers peers, host:port, and
	// the address or name under which its libvirt is reached.
	Endpoint(policy.HostID) (policy.Endpoint, bool)
}

// Peers asks other daemons. Each call is one question with one answer; an
// error means that there was none.
type Peers interface {
	// Reserve asks the target for room and for its pre-flight checks. It is
	// idempotent by the operation ID.
	Reserve(ctx context.Context, e policy.Endpoint, r peer.ReserveRequest) (peer.ReserveReply, error)
	// Renew says that the operation goes on, so that its promise does not expire.
	Renew(ctx context.Context, e policy.Endpoint, target policy.HostID, op policy.OpID) error
	// Finish says how the operation ended, frees its promise or lets it settle,
	// and has the target complete an arrival.
	Finish(ctx context.Context, e policy.Endpoint, target policy.HostID, f peer.FinishRequest) error
	// Audit asks the target of a move what it has brought.
	Audit(ctx context.Context, e policy.Endpoint, r peer.AuditRequest) (policy.Audit, error)
	// Locate asks the target's libvirt about a domain, and tells of an alarm.
	Locate(ctx context.Context, e policy.Endpoint, target policy.HostID, r peer.LocateRequest) (policy.Presence, error)
}
