package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Hypervisor is the hypervisor of one simulated host, in this process or in
// another. It has what the balancer asks of the real one, and nothing that
// destroys, undefines, creates, resumes or resets a domain.
type Hypervisor struct {
	driver
}

// driver is how a Hypervisor reaches its world.
type driver interface {
	// Facts fails while libvirt is down.
	Facts(ctx context.Context) (policy.HostFacts, error)
	// Sample without libvirt has the host's part only, and an error.
	Sample(ctx context.Context) (policy.Sample, error)
	Migrate(ctx context.Context, t hypervisor.Transfer, progress func(policy.Progress)) policy.Outcome
	Watch(ctx context.Context, id policy.DomainID, progress func(policy.Progress)) policy.Outcome
	Abort(ctx context.Context, id policy.DomainID) error
	Locate(ctx context.Context, id policy.DomainID) (policy.Presence, error)
	Describe(ctx context.Context, id policy.DomainID) (hypervisor.Description, error)
	Preflight(ctx context.Context, d hypervisor.Description) (policy.Reason, string)
	HasNetwork(ctx context.Context, name string) (bool, error)
	Settle(ctx context.Context, id policy.DomainID, h hypervisor.Handoff) error
	SetRules(ctx context.Context, id policy.DomainID, r policy.Rules) error
}

// local reaches a world of this process.
type local struct {
	w *World
	h *host
}

// ask calls f with the world locked, as soon as libvirt answers. In a world
// that stands still there is nothing to wait for: a hung libvirt is ErrHung.
func (l local) ask(ctx context.Context, f func() error) error {
	var err error
	waited := l.w.await(ctx, forever, func() bool {
		if err = l.h.answers(); errors.Is(err, ErrHung) && l.w.live {
			return false
		}
		if err == nil {
			err = f()
		}
		return true
	})
	if waited != nil {
		return fmt.Errorf("%w: %w", ErrHung, waited)
	}
	return err
}

func (l local) Facts(ctx context.Context) (policy.HostFacts, error) {
	var facts policy.HostFacts
	err := l.ask(ctx, func() error {
		facts = l.h.facts
		return nil
	})
	if err != nil {
		return facts, fmt.Errorf("facts of %s: %w", l.h.spec.Name, err)
	}
	return facts, nil
}

func (l local) Sample(ctx context.Context) (policy.Sample, error) {
	var s policy.Sample
	var err error
	asked := l.ask(ctx, func() error {
		s, err = l.w.sample(l.h, nil)
		return nil
	})
	if asked != nil {
		l.w.lock()
		s, err = l.w.sample(l.h, asked)
		l.w.unlock()
	}
	if err != nil {
		return s, fmt.Errorf("sample %s: %w", l.h.spec.Name, err)
	}
	return s, nil
}

func (l local) Migrate(ctx context.Context, t hypervisor.Transfer, progress func(policy.Progress)) policy.Outcome {
	if err := ctx.Err(); err != nil {
		return policy.Outcome{Result: policy.Failed, Reason: policy.Cancelled, Detail: "not started: " + err.Error()}
	}
	l.w.lock()
	m := l.w.begin(l.h, t, false)
	l.w.unlock()
	return l.follow(ctx, m, progress)
}

func (l local) Watch(ctx context.Context, id policy.DomainID, progress func(policy.Progress)) policy.Outcome {
	var m *migration
	var o policy.Outcome
	err := l.ask(ctx, func() error {
		if m = l.w.migrationOut(l.h, id); m == nil {
			o = afterwards(l.w.locate(l.h, id))
		}
		return nil
	})
	switch {
	case err != nil:
		return policy.Outcome{Reason: policy.NotLocated, Detail: err.Error()}
	case m == nil:
		return o
	default:
		return l.follow(ctx, m, progress)
	}
}

// follow waits for the end of a migration. When ctx ends first, nothing is
// known of it, and it goes on.
func (l local) follow(ctx context.Context, m *migration, progress func(policy.Progress)) policy.Outcome {
	began := time.Duration(0)
	for first := true; ; first = false {
		l.w.lock()
		p, now := m.progress(l.w.now), l.w.now
		over, o := m.heard, m.outcome
		l.w.unlock()
		if first {
			began = now
		}
		if over {
			return o
		}
		if progress != nil && !first {
			progress(p)
		}
		if err := l.w.await(ctx, now+progressInterval, func() bool { return m.heard }); err != nil {
			return policy.Outcome{Reason: policy.NotLocated, Detail: err.Error(), Duration: now - began}
		}
	}
}

func (l local) Abort(ctx context.Context, id policy.DomainID) error {
	err := l.ask(ctx, func() error {
		m := l.w.migrationOut(l.h, id)
		if m == nil {
			return ErrNoJob
		}
		l.w.abort(m)
		return nil
	})
	if err != nil {
		return fmt.Errorf("abort migration of %s: %w", id, err)
	}
	return nil
}

func (l local) Locate(ctx context.Context, id policy.DomainID) (policy.Presence, error) {
	var p policy.Presence
	err := l.ask(ctx, func() error {
		p = l.w.locate(l.h, id)
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("locate %s on %s: %w", id, l.h.spec.Name, err)
	}
	return p, nil
}

func (l local) HasNetwork(ctx context.Context, name string) (bool, error) {
	has := false
	err := l.ask(ctx, func() error {
		has = slices.Contains(l.h.spec.Networks, name)
		return nil
	})
	return has, err
}

func (l local) Describe(ctx context.Context, id policy.DomainID) (hypervisor.Description, error) {
	var d hypervisor.Description
	err := l.ask(ctx, func() (err error) {
		d, err = l.w.describe(l.h, id)
		return err
	})
	return d, err
}

func (l local) Preflight(ctx context.Context, d hypervisor.Description) (policy.Reason, string) {
	var why policy.Reason
	var detail string
	err := l.ask(ctx, func() error {
		why, detail = l.w.preflight(l.h, d)
		return nil
	})
	if err != nil {
		return policy.PreflightFailed, err.Error()
	}
	return why, detail
}

func (l local) Settle(ctx context.Context, id policy.DomainID, x hypervisor.Handoff) error {
	return l.ask(ctx, func() error { return l.w.handOff(l.h, id, x) })
}

func (l local) SetRules(ctx context.Context, id policy.DomainID, r policy.Rules) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("rules of %s: %w", id, err)
	}
	return l.ask(ctx, func() error { return l.w.setRules(l.h, id, r) })
}
