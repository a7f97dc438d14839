package fake_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLive(t *testing.T, s fake.Spec) *fake.World {
	t.Helper()
	w, err := fake.NewLive(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestLiveMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLive(t, pair())
		var heard []policy.Progress
		began := time.Now()
		o := on(t, w, "h1").Migrate(t.Context(), to("vm1", "h2"), func(p policy.Progress) { heard = append(heard, p) })
		if o.Result != policy.Succeeded || o.Duration != 10220*time.Millisecond || time.Since(began) != o.Duration {
			t.Errorf("%+v, returned after %s", o, time.Since(began))
		}
		if len(heard) != 10 {
			t.Errorf("progress was reported %d times in 10.22 s", len(heard))
		}
		for i, p := range heard {
			if p.Elapsed != time.Duration(i+1)*time.Second || i > 0 && p.Processed <= heard[i-1].Processed {
				t.Errorf("progress %d: %+v", i, p)
			}
		}
	})
}

// When ctx ends nothing is known, and nothing is aborted.
func TestMigrateOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLive(t, pair())
		h1, id := on(t, w, "h1"), fake.DomainID("vm1")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if o := h1.Migrate(ctx, to("vm1", "h2"), nil); o.Result != policy.Unknown || o.Reason != policy.NotLocated {
			t.Errorf("given up: %+v", o)
		}
		if o := h1.Watch(t.Context(), id, nil); o.Result != policy.Succeeded {
			t.Errorf("watched: %+v", o)
		}
		runsOn(t, w, "vm1", "h2")
		if o := h1.Watch(t.Context(), id, nil); o.Result != policy.Unknown {
			t.Errorf("watched what is over: %+v", o)
		}
		if o := h1.Migrate(ctx, to("vm2", "h2"), nil); o.Result != policy.Failed {
			t.Errorf("begun with a context that had ended: %+v", o)
		}
		time.Sleep(time.Minute)
		runsOn(t, w, "vm2", "h1")
	})
}

func TestCallsWaitForAHungLibvirt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := pair()
		spec.Timeline = []fake.Action{
			{At: fake.Duration(10 * time.Second), Do: fake.LibvirtHang, Host: "h1"},
			{At: fake.Duration(70 * time.Second), Do: fake.LibvirtUp, Host: "h1"},
		}
		w := newLive(t, spec)
		began := time.Now()
		h1 := on(t, w, "h1")
		time.Sleep(20 * time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s, err := h1.Sample(ctx)
		if !errors.Is(err, fake.ErrHung) || !errors.Is(err, context.DeadlineExceeded) || !s.Host.Known || s.DomainsKnown {
			t.Errorf("sample: %+v, %v", s, err)
		}
		if got := time.Since(began); got != 25*time.Second {
			t.Errorf("gave up after %s", got)
		}
		if p, err := h1.Locate(t.Context(), fake.DomainID("vm1")); err != nil || !p.Running() {
			t.Errorf("locate: %+v, %v", p, err)
		}
		if got := time.Since(began); got != 70*time.Second {
			t.Errorf("answered after %s", got)
		}
	})
}

func TestAbortWakesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLive(t, pair())
		h1 := on(t, w, "h1")
		began := time.Now()
		time.AfterFunc(3500*time.Millisecond, func() {
			if err := h1.Abort(t.Context(), fake.DomainID("vm1")); err != nil {
				t.Error(err)
			}
		})
		o := h1.Migrate(t.Context(), to("vm1", "h2"), nil)
		if o.Result != policy.Aborted || time.Since(began) != 3500*time.Millisecond {
			t.Errorf("%+v after %s", o, time.Since(began))
		}
	})
}

// Several callers and a changing world, for the race detector.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := pair()
		spec.Domains[0].DirtyRate = 20 * fake.MiB
		w := newLive(t, spec)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var callers sync.WaitGroup
		for _, host := range []string{"h1", "h2"} {
			h, other := on(t, w, host), map[string]string{"h1": "h2", "h2": "h1"}[host]
			for _, domain := range []string{"vm1", "vm2"} {
				callers.Go(func() {
					for ctx.Err() == nil {
						h.Migrate(ctx, to(domain, other), func(policy.Progress) {})
						time.Sleep(100 * time.Millisecond)
					}
				})
			}
			callers.Go(func() {
				for ctx.Err() == nil {
					if _, err := h.Sample(ctx); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
					time.Sleep(300 * time.Millisecond)
				}
			})
		}
		callers.Wait()
		if n := len(w.Migrations()); n < 10 {
			t.Errorf("%d attempts only", n)
		}
		noViolations(t, w)
	})
}

// One core serves both kinds of world: at the same times both say the same.
func TestLiveAndSteppedWorldsAgree(t *testing.T) {
	spec := fake.Default()
	spec.Timeline = append(spec.Timeline,
		fake.Action{At: fake.Duration(61 * time.Second), Do: fake.Migrate, Domain: "batch1", To: "h2"},
		fake.Action{At: fake.Duration(62 * time.Second), Do: fake.CableOut, Host: "h2"},
		fake.Action{At: fake.Duration(70 * time.Second), Do: fake.CableIn, Host: "h2"},
		fake.Action{At: fake.Duration(90 * time.Second), Do: fake.PowerOff, Host: "h3"},
	)
	stepped := newWorld(t, spec)
	synctest.Test(t, func(t *testing.T) {
		live := newLive(t, spec)
		for range 40 {
			time.Sleep(7 * time.Second)
			stepped.Advance(7 * time.Second)
			a, b := live.Report(), stepped.Report()
			a.At, b.At = time.Time{}, time.Time{}
			a.Migrations, b.Migrations = nil, nil // they hold times
			a.Incidents, b.Incidents = nil, nil
			if a.String() != b.String() {
				t.Fatalf("live:\n%s\nstepped:\n%s", a, b)
			}
			for _, host := range []string{"h1", "h2"} {
				if a, b := sample(t, live, host), sample(t, stepped, host); a.Host != b.Host || len(a.Domains) != len(b.Domains) {
					t.Fatalf("%s live: %+v\nstepped: %+v", host, a, b)
				}
			}
		}
	})
}
