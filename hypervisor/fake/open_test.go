package fake_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

func TestOpenDefaultWorld(t *testing.T) {
	h, c, err := fake.Open(t.Context(), "sim:")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	facts, err := h.Facts(t.Context())
	if err != nil || facts.Name != "h1" || facts.ID != fake.HostID("h1") || facts.Endpoint.Migration != "h1" {
		t.Errorf("facts %+v, %v", facts, err)
	}
	s, err := h.Sample(t.Context())
	if err != nil || len(s.Domains) != 3 || !s.DomainsKnown || !s.Host.Known {
		t.Errorf("sample %+v, %v", s, err)
	}
}

// The default world tells its story: h1 passes 80 % after 45 s, the others do not.
func TestDefaultWorldOverloadsH1(t *testing.T) {
	w, err := fake.New(fake.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Duration{30 * time.Second, 60 * time.Second} {
		w.Advance(at - w.Now().Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
		for _, h := range w.Report().Hosts {
			share := float64(h.Used) / float64(h.Capacity)
			if hot := h.Name == "h1" && at > 45*time.Second; hot != (share > 0.8) {
				t.Errorf("at %s %s is at %.0f %%", at, h.Name, share*100)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"hosts": [], "hots": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"qemu:///system":                 "must begin with",
		"sim:tcp:host":                   "unix:/path",
		"sim:?hots=h1":                   `"hots" is unknown`,
		"sim:?host=h9":                   `host "h9" is not in this world`,
		"sim:?serve=true":                "serve needs",
		"sim:unix:/x?serve=maybe":        "must be true or false",
		"sim:unix:/x?world=w.json":       "belongs to who serves it",
		"sim:?world=" + bad:              `unknown field "hots"`,
		"sim:?world=" + bad + ".missing": "does not exist",
	} {
		_, _, err := fake.Open(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", url, err, want)
		}
	}
}

// Two daemons in two processes see one world; here, two clients of one socket.
func TestTwoClientsOfOneWorld(t *testing.T) {
	spec := pair()
	spec.Hosts[0].Link, spec.Hosts[1].Link = 1000*fake.MiB, 1000*fake.MiB // 1.2 s
	_, _, socket := served(t, spec)
	h1, h2 := open(t, "sim:unix:"+socket+"?host=h1"), open(t, "sim:unix:"+socket+"?host=h2")
	id := fake.DomainID("vm1")
	desc, err := h1.Describe(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if why, detail := h2.Preflight(t.Context(), desc); why != policy.OK {
		t.Fatalf("preflight: %s %s", why, detail)
	}
	var last policy.Progress
	o := h1.Migrate(t.Context(), to("vm1", "h2"), func(p policy.Progress) { last = p })
	if o.Result != policy.Succeeded || o.Reason != policy.Completed {
		t.Fatalf("outcome %+v", o)
	}
	if last.Elapsed < time.Second || last.Total != 1000*policy.MiB || last.Processed == 0 {
		t.Errorf("last progress %+v", last)
	}
	if p, err := h2.Locate(t.Context(), id); err != nil || !p.Running() {
		t.Errorf("on h2: %+v, %v", p, err)
	}
	if p, err := h1.Locate(t.Context(), id); err != nil || p != (policy.Presence{Known: true}) {
		t.Errorf("on h1: %+v, %v", p, err)
	}
	if _, err := h1.Describe(t.Context(), id); !errors.Is(err, fake.ErrNoDomain) {
		t.Errorf("describe on h1: %v", err)
	}
}

// A caller that gives up leaves the migration running and can watch it later.
func TestClientCancels(t *testing.T) {
	_, _, socket := served(t, pair()) // it takes 10 s
	h1 := open(t, "sim:unix:"+socket) // the first host
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if o := h1.Migrate(ctx, to("vm1", "h2"), nil); o.Result != policy.Unknown || o.Reason != policy.NotLocated {
		t.Fatalf("outcome %+v", o)
	}
	if err := h1.Abort(t.Context(), fake.DomainID("vm2")); !errors.Is(err, fake.ErrNoJob) {
		t.Errorf("abort of what does not run: %v", err)
	}
	watched := make(chan policy.Outcome, 1)
	heard := make(chan struct{}, 100)
	go func() {
		watched <- h1.Watch(t.Context(), fake.DomainID("vm1"), func(policy.Progress) { heard <- struct{}{} })
	}()
	<-heard
	if err := h1.Abort(t.Context(), fake.DomainID("vm1")); err != nil {
		t.Error(err)
	}
	if o := <-watched; o.Result != policy.Aborted || o.Reason != policy.Cancelled {
		t.Errorf("outcome %+v", o)
	}
}
