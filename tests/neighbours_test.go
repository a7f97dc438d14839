package tests

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

func (w wire) Report(ctx context.Context, _ policy.Endpoint, target policy.HostID, r peer.ReportRequest) (api.Report, error) {
	b, err := w.to(target)
	if err != nil {
		return api.Report{}, err
	}
	w.from.asked.Add(1)
	return b.Report(ctx, r)
}

func (w wire) Preflight(ctx context.Context, _ policy.Endpoint, target policy.HostID, d hypervisor.Description) (policy.Reason, string, error) {
	b, err := w.to(target)
	if err != nil {
		return policy.Unreachable, "", err
	}
	why, detail := b.Preflight(ctx, d)
	return why, detail, nil
}

func (w wire) Explain(ctx context.Context, _ policy.Endpoint, target policy.HostID, id policy.DomainID) (api.Explanation, error) {
	b, err := w.to(target)
	if err != nil {
		return api.Explanation{}, err
	}
	return b.ExplainHere(ctx, id)
}

// shown is the fleet as the daemon of a host shows it.
func (h *host) shown(history int) map[string]api.HostReport {
	h.fleet.t.Helper()
	report, err := h.daemon().Fleet(h.fleet.t.Context(), history)
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	byName := map[string]api.HostReport{}
	for _, r := range report.Hosts {
		byName[r.Name] = r
	}
	return byName
}

// Whichever daemon is asked, it shows the domains and the past of all.
func TestAnyDaemonAnswersForTheFleet(t *testing.T) {
	inFleet(t, hosts(4), func(f *fleet) {
		h4 := f.host("h4")
		f.eventually(time.Minute, "h4 shows all domains", func() bool {
			n := 0
			for _, r := range h4.shown(0) {
				if r.Report != nil {
					n += len(r.Report.Domains)
				}
			}
			return n == 12
		})
		for _, r := range h4.shown(0) {
			if r.Silent != "" || r.Report.Host.ID != r.ID {
				t.Errorf("%s: silent %q, report of %s", r.Name, r.Silent, r.Report.Host.Name)
			}
		}

		e, err := h4.daemon().Explain(f.t.Context(), "b1")
		if err != nil || e.On != "h1" || e.Domain.Name != "b1" || len(e.Hosts) != 3 {
			t.Errorf("b1 of h1 explained by h4: %+v, %v", e, err)
		}
		if _, err := h4.daemon().Explain(f.t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), `no host runs a domain "nobody"`) {
			t.Errorf("nobody explained: %v", err)
		}

		f.heat("a1", 8000)
		f.eventually(10*time.Minute, "a move is in the history that h4 shows", func() bool {
			return len(h4.shown(10)["h1"].Report.History) > 0
		})
		if o := h4.shown(10)["h1"].Report.History[0]; o.FromName != "h1" || o.Result != policy.Succeeded {
			t.Errorf("the move is shown as %+v", o)
		}
		if n := len(h4.shown(0)["h1"].Report.History); n != 0 {
			t.Errorf("%d ended operations shown, none were asked for", n)
		}
	})
}

// While a domain moves and afterwards, any daemon finds it at any time: the
// reports of what runs where, which differ then, are not the last word.
func TestADomainThatMovesIsAlwaysFound(t *testing.T) {
	inFleet(t, hosts(4), func(f *fleet) {
		time.Sleep(settled)
		f.heat("a1", 8000)
		by := map[string]map[string]bool{"a1": {}, "b1": {}, "c1": {}}
		f.eventually(10*time.Minute, "a domain has moved, and all was asked for one interval more", func() bool {
			moved := f.migrations() > 0
			for began := time.Now(); time.Since(began) < f.tuning.Interval*2; time.Sleep(200 * time.Millisecond) {
				for domain, hosts := range by {
					for _, name := range []string{"h1", "h4"} {
						e, err := f.host(name).daemon().Explain(f.t.Context(), domain)
						if err != nil {
							f.t.Fatalf("%s was asked for %s, moved %t: %v", name, domain, moved, err)
						}
						hosts[e.On] = true
					}
				}
			}
			return moved
		})
		m := f.world.Migrations()[0]
		if hosts := by[m.Domain]; !hosts[m.From] || !hosts[m.To] {
			t.Errorf("%s moved from %s to %s; it was found on %v", m.Domain, m.From, m.To, hosts)
		}
	})
}

// A host that does not answer is named, with what it said last; the others are
// shown all the same, and nobody waits for it again and again.
func TestSilentHostsAreNamed(t *testing.T) {
	inFleet(t, hosts(3), func(f *fleet) {
		h1 := f.host("h1")
		f.eventually(time.Minute, "h1 shows all", func() bool {
			s := h1.shown(0)
			return s["h2"].Report != nil && s["h3"].Report != nil
		})
		f.partition("h3")
		time.Sleep(3 * time.Second)
		shown := h1.shown(0)
		if r := shown["h3"]; r.Silent == "" || r.Report == nil || r.ReportAgeSeconds < 3 {
			t.Errorf("h3 is cut off: %+v", r)
		}
		if r := shown["h2"]; r.Silent != "" || r.ReportAgeSeconds > 1 {
			t.Errorf("h2 answers: silent %q, %v s old", r.Silent, r.ReportAgeSeconds)
		}
		_, err := h1.daemon().Explain(f.t.Context(), "a3")
		if err == nil || !strings.Contains(err.Error(), "there is no answer from h3") {
			t.Errorf("a3 of h3 explained: %v", err)
		}
		f.heal()
		f.eventually(5*time.Minute, "h3 is shown again", func() bool { return h1.shown(0)["h3"].Silent == "" })
	})
}

// However many people look at one daemon, the others are asked at its own pace.
func TestLookingIsCheapForTheOthers(t *testing.T) {
	inFleet(t, hosts(3), func(f *fleet) {
		h1 := f.host("h1")
		f.eventually(time.Minute, "h1 shows all", func() bool { return h1.shown(0)["h3"].Report != nil })
		h1.asked.Store(0)
		began := time.Now()
		for range 100 {
			h1.shown(0)
			time.Sleep(100 * time.Millisecond)
		}
		took := time.Since(began)
		if asked, most := h1.asked.Load(), 2*(1+int64(took/(2*time.Second))); asked == 0 || asked > most {
			t.Errorf("100 looks in %s asked the two other hosts %d times, at most %d are right", took, asked, most)
		}
	})
}
