package libvirt

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// TestMain looks for goroutines that a test has left behind. libvirt's event
// loop runs until the process ends, as it must.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/virtbalance/virtbalance/hypervisor/libvirt.(*eventLoop).register.func2"))
}

// TestNoReferenceIsKept works a connection with everything that looks
// something up, and asks libvirt how many references are left.
func TestNoReferenceIsKept(t *testing.T) {
	h, err := New(Options{URI: "test:///default"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.control.dial()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.conn.events) == 0 {
		t.Error("no events subscribed to")
	}
	h.control.session, h.stats.session = s, s // not published: nothing runs
	ctx := t.Context()
	for range 50 {
		if _, err := h.Sample(ctx); err != nil {
			t.Fatal(err)
		}
		for _, id := range []policy.DomainID{testDomain, "00000000-1111-2222-3333-444444444444"} {
			_, _ = h.Locate(ctx, id)
			_, _, _ = h.inspect(ctx, s, id)
			_, _ = h.Describe(ctx, id)
			_ = h.Abort(ctx, id)
			_ = h.Settle(ctx, id, hypervisor.Handoff{Autostart: true, History: policy.MoveHistory{Count: 1}})
			xml := `<domain type='test'><name>test</name><os><type arch='i686'>hvm</type></os>` +
				`<devices><interface type='network'><source network='default'/></interface></devices></domain>`
			a := &arrival{Description: hypervisor.Description{Domain: id, Name: "test", XML: xml}}
			if err := a.dom.Unmarshal(xml); err != nil {
				t.Fatal(err)
			}
			_, _ = h.survey(ctx, s, a)
		}
	}
	if held := s.conn.shut(); held != 0 {
		t.Errorf("%d references are still held", held)
	}
}

func TestMemoryStaysFlat(t *testing.T) {
	h := connected(t)
	sample := func(n int) {
		t.Helper()
		for range n {
			if _, err := h.Sample(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	samples := 8_000
	if testing.Short() {
		samples = 2_000
	}
	sample(samples) // fill what is filled once
	// A lost reference to a domain costs some 200 bytes a sample, in every
	// round; what the heap does by itself it does not do every time.
	const rounds, leak = 4, 100
	for round := range rounds {
		before := residentKiB(t)
		sample(samples)
		grown := residentKiB(t) - before
		t.Logf("round %d: %d samples, %d KiB more", round, samples, grown)
		if grown<<10 < leak*samples {
			return
		}
	}
	t.Errorf("each of %d rounds of %d samples took more memory", rounds, samples)
}

func residentKiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func TestSettleTwiceWritesOnce(t *testing.T) {
	h := connected(t)
	ctx := t.Context()
	handoff := hypervisor.Handoff{Autostart: true, History: policy.MoveHistory{
		Last: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), From: someHost, Count: 2,
	}}
	for range 2 {
		if err := h.Settle(ctx, testDomain, handoff); err != nil {
			t.Fatal(err)
		}
	}
	s, err := h.control.current()
	if err != nil {
		t.Fatal(err)
	}
	_, r, err := h.inspect(ctx, s, testDomain)
	if err != nil || !sameHistory(r.history, handoff.History) {
		t.Errorf("%+v, %v", r, err)
	}
	desc, err := h.Describe(ctx, testDomain)
	if err == nil {
		t.Errorf("the test driver has no host UUID: %+v", desc)
	}
}

func TestLinkReportsWhatItCannotReachAndGivesUpWithTheContext(t *testing.T) {
	h, err := New(Options{URI: "qemu+unix:///system?socket=/nonexistent/libvirt-sock", ReconnectMin: time.Millisecond, ReconnectMax: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := h.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	if s := h.Status(); s.Connected || s.Reconnects != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRunGivesUpWhenTooManyCallsHang(t *testing.T) {
	h := connectedUntil(t, Options{URI: "test:///default", MaxHungCalls: 2}, errTooMany)
	release := make(chan struct{})
	defer close(release)
	for range 2 {
		_, _ = call(t.Context(), h.calls, task{what: "hang", limit: time.Millisecond}, hang(release))
	}
	eventually(t, "the end of Run", func() bool { return !h.Status().Connected })
}

func TestHeartbeat(t *testing.T) {
	connected(t)
	first := Heartbeat()
	if first.IsZero() {
		t.Fatal("no heartbeat")
	}
	eventually(t, "the next beat", func() bool { return Heartbeat().After(first) })
}
