package fake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Attempt is a migration that was begun without waiting for it.
type Attempt struct {
	w    *World
	m    *migration
	then func(policy.Outcome)
}

// Begin starts a migration out of a host and returns at once: what Migrate
// does, for callers that drive the world themselves. On a host whose libvirt
// hangs the attempt waits with it.
func (w *World) Begin(host string, t hypervisor.Transfer) (*Attempt, error) {
	w.lock()
	defer w.unlock()
	h := w.hostByName[host]
	if h == nil {
		return nil, fmt.Errorf("begin migration: host %q is not in this world", host)
	}
	return &Attempt{w: w, m: w.begin(h, t, false)}, nil
}

// Attach finds the migration of a domain that is running out of a host, as
// Watch does.
func (w *World) Attach(host string, id policy.DomainID) (*Attempt, bool) {
	w.lock()
	defer w.unlock()
	if h := w.hostByName[host]; h != nil && h.answers() == nil {
		if m := w.migrationOut(h, id); m != nil {
			return &Attempt{w: w, m: m}, true
		}
	}
	return nil, false
}

// Outcome returns how the attempt ended, false while that is not known. The
// source tells nothing while its libvirt hangs or is down.
func (a *Attempt) Outcome() (policy.Outcome, bool) {
	a.w.lock()
	defer a.w.unlock()
	if !a.m.heard {
		return policy.Outcome{}, false
	}
	return a.m.outcome, true
}

// Progress is how far the attempt has come.
func (a *Attempt) Progress() policy.Progress {
	a.w.lock()
	defer a.w.unlock()
	return a.m.progress(a.w.now)
}

// Then has Advance call f when the attempt has ended; if it has already, the
// next Advance does. Calling it again replaces f. It panics in a live world,
// which nobody advances.
func (a *Attempt) Then(f func(policy.Outcome)) {
	if a.w.live {
		panic("fake: Attempt.Then in a live world")
	}
	a.w.lock()
	defer a.w.unlock()
	if a.then == nil {
		a.w.attempts = append(a.w.attempts, a)
	}
	a.then = f
}

// tell has the outcomes of migrations reach who asked for them: at once, or
// when the libvirt that was asked answers again.
func (w *World) tell() {
	w.untold = slices.DeleteFunc(w.untold, func(m *migration) bool {
		m.heard = m.src.off || m.src.libvirt == libvirtAnswers || !m.asked
		return m.heard
	})
}

func (w *World) anyEnded() bool {
	for _, a := range w.attempts {
		if a.m.heard {
			return true
		}
	}
	return false
}

// takeEnded removes the attempts that have ended from those waited for.
func (w *World) takeEnded() []*Attempt {
	var over, open []*Attempt
	for _, a := range w.attempts {
		if a.m.heard {
			over = append(over, a)
		} else {
			open = append(open, a)
		}
	}
	w.attempts = open
	return over
}

// await blocks until ready, called with the world locked, is true, or the
// world's time is wake. It returns the error of ctx if that ends first.
func (w *World) await(ctx context.Context, wake time.Duration, ready func() bool) error {
	for {
		w.lock()
		done := w.now >= wake || ready()
		changed, sleep := w.changed, min(wake, w.next())-w.now
		w.unlock()
		if done {
			return nil
		}
		if err := w.sleep(ctx, sleep, changed); err != nil {
			return err
		}
	}
}

// sleep waits for a change, for ctx, and in a live world for d.
func (w *World) sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	var due <-chan time.Time
	if w.live {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-due:
	}
	return nil
}
