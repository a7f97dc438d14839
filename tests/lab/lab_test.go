//go:build lab

package lab_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

// within is the context of a step that takes seconds at most, with room for a
// busy machine.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestUpTwice(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	ctx := within(t, time.Minute)
	bootID := func(h *lab.Host) string {
		t.Helper()
		out, err := h.Exec(ctx, "readlink", "/proc/self/ns/pid")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := bootID(l.Host("h1"))
	again, err := lab.Up(ctx, lab.Options{Name: l.Name(), Hosts: 2})
	if err != nil {
		t.Fatal(err)
	}
	if after := bootID(again.Host("h1")); after != before {
		t.Errorf("h1 was started again: its PID namespace is %s, was %s", after, before)
	}
	names := map[string]bool{}
	for _, s := range again.Status(ctx) {
		if !s.Running || s.Frozen || s.Err != nil || s.CapacityPercent != 60 || len(s.Guests) != 0 {
			t.Errorf("status of %s: %+v", s.Name, s)
		}
		names[s.Name+s.Address+s.UUID] = true
	}
	if len(names) != 2 {
		t.Errorf("want two different hosts, have %v", names)
	}
	for _, h := range again.Hosts() {
		out, err := h.Virsh(ctx, "capabilities")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, "<uuid>"+h.UUID+"</uuid>") {
			t.Errorf("libvirtd on %s does not have host UUID %s", h.Name, h.UUID)
		}
	}
}

func TestMigrationIsSeamless(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	ctx := within(t, time.Minute)
	h1, h2 := l.Host("h1"), l.Host("h2")
	g, err := h1.StartGuest(ctx, lab.GuestSpec{Name: "vm1", Load: 20, DirtyMiB: 4, Persistent: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.WaitBooted(ctx); err != nil {
		t.Fatal(err)
	}
	w, err := g.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	took, err := g.Migrate(ctx, h1, h2)
	if err != nil {
		t.Fatal(err)
	}
	at, err := w.Record()
	if err != nil {
		t.Fatal(err)
	}
	// all its memory looked through once more from beginning to end
	if err := w.Until(ctx, func(r lab.Record) bool { return r.Last.Passes >= at.Last.Passes+2 }); err != nil {
		t.Fatal(err)
	}
	r, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("migrated in %s; %s", took, r)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	where := l.Where(ctx, "vm1")
	if len(where) != 1 || where[0].Host != h2 || where[0].State != "running" || !where[0].Persistent || where[0].QEMUs != 1 {
		t.Errorf("want vm1 running and persistent on h2 alone, have %+v", where)
	}
}
