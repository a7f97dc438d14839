package peer_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

func TestReportsArriveAsTheyWereGiven(t *testing.T) {
	ca := newAuthority(t)
	_, endpoint := serve(t, peer.ServerOptions{Certificates: certificates(t, ca.files(nil))})
	c := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))})
	got, err := c.Report(t.Context(), endpoint, hostB, peer.ReportRequest{History: 5})
	must(t, err)
	if want := report(); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	e, err := c.Explain(t.Context(), endpoint, hostB, domain)
	must(t, err)
	if e.Domain.ID != domain || e.Domain.Name != "web" {
		t.Errorf("explained %+v", e)
	}
}

func TestChecksAreAskedAndAnswered(t *testing.T) {
	ca := newAuthority(t)
	_, endpoint := serve(t, peer.ServerOptions{Certificates: certificates(t, ca.files(nil))})
	c := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))})
	d := reservation().Description
	// More at once than the host bears: they wait, and all are answered.
	for range peer.DefaultLimits().Reports.Burst + 3 {
		why, detail, err := c.Preflight(t.Context(), endpoint, hostB, d)
		must(t, err)
		if why != policy.CPUIncompatible || detail != "checked "+d.Name+" here" {
			t.Fatalf("answered %s, %q", why, detail)
		}
	}
	d.Source.ID = hostC // not who asks
	if _, _, err := c.Preflight(t.Context(), endpoint, hostB, d); err == nil {
		t.Error("a host asked in the name of another")
	}
}

// What cannot be said about one domain or one old operation is left out, and
// the rest arrives.
func TestOddThingsAreLeftOutOfReports(t *testing.T) {
	h := &host{report: func(peer.ReportRequest) (api.Report, error) {
		r := report()
		odd := r.Domains[0]
		odd.Name = strings.Repeat("x", 300) + "\n\x1b[31m"
		broken := r.Domains[0]
		broken.VCPUs = -1
		r.Domains = append(r.Domains, odd, broken)
		old := r.History[0]
		old.Move.MemoryMax = 0
		r.History = append(r.History, old)
		r.Shortage.Tally[0].Count = -1
		r.Fleet.Missing = make([]policy.MissingHost, 1)
		return r, nil
	}}
	_, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true})
	got, err := client(t, peer.ClientOptions{Insecure: true}).Report(t.Context(), endpoint, hostB, peer.ReportRequest{History: 5})
	must(t, err)
	if len(got.Domains) != 2 || got.DomainsLeftOut != 1 || len(got.Domains[1].Name) > 256 || len(got.History) != 1 || got.Shortage != nil || len(got.Fleet.Missing) != 0 {
		t.Errorf("got %d domains, %d left out, name %q, %d ended operations, shortage %+v, missing %v", len(got.Domains), got.DomainsLeftOut, got.Domains[1].Name, len(got.History), got.Shortage, got.Fleet.Missing)
	}
}

// A report that is of another host, out of bounds or fit to confuse a terminal
// is none.
func TestReportsAreChecked(t *testing.T) {
	for name, lie := range map[string]func(*api.Report){
		"of another host":  func(r *api.Report) { r.Host.ID = hostC },
		"negative load":    func(r *api.Report) { r.State.Used.CPU = -1 },
		"escape sequence":  func(r *api.Report) { r.HoldText = "\x1b[2J" },
		"escape in a name": func(r *api.Report) { r.Host.Name = "\x1b[2J" },
		"escape in an alarm": func(r *api.Report) {
			r.Alarms = []api.Alarm{{Domain: r.Domains[0].ID, From: hostC, Name: "\x1b[2J"}}
		},
		"too many alarms": func(r *api.Report) {
			for len(r.Alarms) <= peer.AlarmsMax {
				r.Alarms = append(r.Alarms, api.Alarm{Domain: r.Domains[0].ID, From: hostC})
			}
		},
		"too many domains": func(r *api.Report) {
			for len(r.Domains) <= peer.ReportDomainsMax {
				r.Domains = append(r.Domains, r.Domains[0])
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host{report: func(peer.ReportRequest) (api.Report, error) {
				r := report()
				lie(&r)
				return r, nil
			}}
			_, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true})
			c := client(t, peer.ClientOptions{Insecure: true})
			if got, err := c.Report(t.Context(), endpoint, hostB, peer.ReportRequest{}); err == nil {
				t.Errorf("accepted %+v", got)
			}
			// Invalid requests do not leave the asker.
			if _, err := c.Report(t.Context(), endpoint, hostB, peer.ReportRequest{History: peer.ReportHistoryMax + 1}); err == nil {
				t.Error("more history than is allowed was asked for")
			}
		})
	}
}

// Those who look are turned away before anybody who moves a domain is.
func TestReportsHaveTheirOwnAllowance(t *testing.T) {
	limits := peer.DefaultLimits()
	limits.Reports = peer.Allowance{AtOnce: 4, PerSecond: 0.001, Burst: 2}
	_, endpoint := serve(t, peer.ServerOptions{Insecure: true, Limits: limits})
	c := client(t, peer.ClientOptions{Insecure: true})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // a client asks again until then
	defer cancel()
	var refused *peer.Error
	for i := range 3 {
		_, err := c.Report(ctx, endpoint, hostB, peer.ReportRequest{})
		if over := errors.As(err, &refused) && refused.Code == peer.RefusedRequests.String(); over != (i == 2) {
			t.Fatalf("report %d: %v", i+1, err)
		}
	}
	reply, err := c.Reserve(t.Context(), endpoint, reservation())
	if err != nil || reply.Reason != policy.OK {
		t.Errorf("reserve: %v, %v", reply.Reason, err)
	}
}

// What a person asks is answered in the end, however fast he types.
func TestQuestionsWaitForTheirTurn(t *testing.T) {
	limits := peer.DefaultLimits()
	limits.Reports = peer.Allowance{AtOnce: 4, PerSecond: 5, Burst: 1}
	s, endpoint := serve(t, peer.ServerOptions{Insecure: true, Limits: limits})
	c := client(t, peer.ClientOptions{Insecure: true})
	for range 3 {
		_, err := c.Report(t.Context(), endpoint, hostB, peer.ReportRequest{})
		must(t, err)
		_, err = c.Explain(t.Context(), endpoint, hostB, domain)
		must(t, err)
	}
	if s.Refused(peer.RefusedRequests) == 0 {
		t.Error("nothing was refused: the test shows nothing")
	}
}
