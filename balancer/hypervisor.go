package balancer

import (
	"context"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Hypervisor is the local virtualization host, in our words. The libvirt
// adapter and the simulated one implement it.
//
// Every method honours ctx: when it ends, the method returns soon, even if the
// call underneath cannot be interrupted. All methods may be called at any time
// and from several goroutines.
type Hypervisor interface {
	Sampler
	Migrator
	Inspector
}

// Sampler reads counters.
type Sampler interface {
	// Facts describes the host. It fails while the hypervisor is not reachable.
	Facts(ctx context.Context) (policy.HostFacts, error)

	// Sample reads the counters of the host and of every active domain. A part
	// that could not be read is marked unknown in the sample; the error then
	// says why, beside a sample that is usable for the rest.
	Sample(ctx context.Context) (policy.Sample, error)
}

// Migrator moves domains away from this host. It never destroys, undefines,
// creates, resumes or resets one.
type Migrator interface {
	// Migrate live-migrates one domain and returns when the hypervisor says
	// that the attempt has ended, or when ctx has: ctx ending aborts nothing.
	// progress is called about once a second, from one goroutine at a time.
	//
	// The outcome is what the hypervisor here says. Only Locate on both hosts
	// tells where the domain is.
	Migrate(ctx context.Context, t hypervisor.Transfer, progress func(policy.Progress)) policy.Outcome

	// Watch follows a migration that is already running (started by an earlier
	// life of this daemon) in the same way.
	Watch(ctx context.Context, id policy.DomainID, progress func(policy.Progress)) policy.Outcome

	// Abort asks the hypervisor to cancel the migration of a domain out of this
	// host. It is a request: only the outcome of Migrate tells what came of it.
	Abort(ctx context.Context, id policy.DomainID) error
}

// Inspector answers questions about single domains on this host.
type Inspector interface {
	// Locate says what this host knows of a domain. Presence.Known is false,
	// and the error says why, when the hypervisor could not be asked.
	Locate(ctx context.Context, id policy.DomainID) (policy.Presence, error)

	// Describe returns what a target needs to know of a domain.
	Describe(ctx context.Context, id policy.DomainID) (hypervisor.Description, error)

	// Preflight says whether this host, as the target, could run the domain;
	// policy.OK or the first reason against it, with the detail for people.
	Preflight(ctx context.Context, d hypervisor.Description) (policy.Reason, string)

	// HasNetwork says whether domains can be connected to a network of that name
	// here: one of the hypervisor's that is active, or an interface of the host
	// such as a bridge.
	HasNetwork(ctx context.Context, name string) (bool, error)

	// Settle finishes an arrival on the target: what libvirt does not carry
	// over is set here. It is idempotent.
	Settle(ctx context.Context, id policy.DomainID, h hypervisor.Handoff) error

	// SetRules replaces the rules that a domain carries.
	SetRules(ctx context.Context, id policy.DomainID, r policy.Rules) error
}
