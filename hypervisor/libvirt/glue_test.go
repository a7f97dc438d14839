package libvirt

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// testDomain is the domain that libvirt's test driver comes with. Each
// connection of that driver is a world of its own.
const testDomain policy.DomainID = "6695eb01-f6a4-8304-79aa-97f2502e193f"

// connected runs an adapter on the test driver until the test ends.
func connected(t *testing.T) *Hypervisor {
	t.Helper()
	return connectedUntil(t, Options{URI: "test:///default"}, nil)
}

// connectedUntil runs an adapter until the test ends, or until Run returns the
// error that is expected of it.
func connectedUntil(t *testing.T, o Options, expected error) *Hypervisor {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		if expected == nil {
			cancel()
		}
		if err := <-done; !errors.Is(err, expected) {
			t.Errorf("Run: %v, want %v", err, expected)
		}
		cancel()
	})
	eventually(t, "a connection", func() bool { return h.Status().Connected })
	return h
}

// eventually polls until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestNothingWorksBeforeRun(t *testing.T) {
	h, err := New(Options{URI: "test:///default"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := h.Facts(ctx); !errors.Is(err, errDown) {
		t.Errorf("Facts: %v", err)
	}
	s, err := h.Sample(ctx)
	if !errors.Is(err, errDown) || s.DomainsKnown || !s.Host.Known {
		t.Errorf("Sample: %+v, %v; the host must be known and the domains not", s, err)
	}
	if p, err := h.Locate(ctx, testDomain); !errors.Is(err, errDown) || p.Known {
		t.Errorf("Locate: %+v, %v", p, err)
	}
	if err := h.Abort(ctx, testDomain); !errors.Is(err, errDown) {
		t.Errorf("Abort: %v", err)
	}
}

func TestSampleOfTestDriver(t *testing.T) {
	h := connected(t)
	s, err := h.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.DomainsKnown || len(s.Domains) != 1 {
		t.Fatalf("domains: %+v", s)
	}
	d := s.Domains[0]
	if d.ID != testDomain || d.Name != "test" || d.State != policy.StateRunning || d.StatsKnown {
		t.Errorf("the test driver's domain: %+v", d)
	}
	if d.Obstacle != policy.NotInspected {
		t.Errorf("obstacle before inspection: %v", d.Obstacle)
	}
	// Its disk is a file in a directory that no host shares.
	eventually(t, "inspection", func() bool {
		r, _, known := h.Obstacle(testDomain)
		return known && r == policy.UnsafeStorage
	})
	if s, err = h.Sample(t.Context()); err != nil || s.Domains[0].Obstacle != policy.UnsafeStorage {
		t.Errorf("obstacle after inspection: %v, %v", s.Domains[0].Obstacle, err)
	}
}

func TestLocate(t *testing.T) {
	h := connected(t)
	p, err := h.Locate(t.Context(), testDomain)
	if err != nil || !p.Running() || !p.Defined || p.MigratedAway {
		t.Errorf("running domain: %+v, %v", p, err)
	}
	p, err = h.Locate(t.Context(), "00000000-1111-2222-3333-444444444444")
	if err != nil || p != (policy.Presence{Known: true}) {
		t.Errorf("absent domain: %+v, %v", p, err)
	}
}

func TestMethodsReturnWhenTheContextHasEnded(t *testing.T) {
	h := connected(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := h.Locate(ctx, testDomain); !errors.Is(err, context.Canceled) || p.Known {
		t.Errorf("Locate: %+v, %v", p, err)
	}
	if s, err := h.Sample(ctx); !errors.Is(err, context.Canceled) || s.DomainsKnown {
		t.Errorf("Sample: %+v, %v", s, err)
	}
	if s, err := h.Sample(t.Context()); err != nil || !s.DomainsKnown {
		t.Errorf("Sample afterwards: %v", err)
	}
}

func TestOptionsNameAllFaultsAtOnce(t *testing.T) {
	_, err := New(Options{CPUCapacity: -1, MaxHungCalls: 1000, KeepAlive: 1})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 3 {
		t.Errorf("want three faults, got: %v", err)
	}
}

func TestHasNetwork(t *testing.T) {
	h := connected(t)
	for name, want := range map[string]bool{"default": true, "lo": true, "nowhere0": false} {
		if has, err := h.HasNetwork(t.Context(), name); err != nil || has != want {
			t.Errorf("network %s: %t, %v; want %t", name, has, err, want)
		}
	}
}
