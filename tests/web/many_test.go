//go:build !race

package webtest

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/web"
	"github.com/virtbalance/virtbalance/policy"
)

// Three hundred hosts with six thousand VMs: what the page does with them is the
// same, whoever tells it of them; so the daemon is a made-up one.
func TestPageOfThreeHundredHosts(t *testing.T) {
	server := api.NewServer()
	server.Show(fleet{start: time.Now(), hosts: 300, domains: 20})
	handler, err := web.Handler(web.Options{API: server.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = s.Serve(l) }() // until Close
	defer s.Close()
	browse(t, "many.mjs", "http://"+l.Addr().String()+"/", nil)
}

// fleet is a daemon that shows a large fleet. Its hosts have loads of their own,
// which sway; some are over their mark, one is drained, one is silent, two moves
// are under way.
type fleet struct {
	api.Daemon // nil: the page asks for nothing else

	start          time.Time
	hosts, domains int
}

func (f fleet) id(i int) policy.HostID {
	return policy.HostID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
}

// load is the use of a host now, 0..1: most are about half full.
func (f fleet) load(i int, at time.Time) float64 {
	base := 0.25 + 0.4*math.Abs(math.Sin(float64(i)*1.7))
	if i%61 == 7 {
		base = 0.86
	}
	return base + 0.03*math.Sin(at.Sub(f.start).Seconds()/5+float64(i))
}

func (f fleet) host(i int, now time.Time) api.Host {
	h := api.Host{Self: i == 0, AgeSeconds: float64(i%7) / 2, Host: policy.Host{
		HostFacts: policy.HostFacts{ID: f.id(i), Name: fmt.Sprintf("rack%02d-node%02d", i/20+1, i%20+1), Capacity: policy.Load{CPU: 64_000, Memory: 512 * policy.GiB}},
		HostState: policy.HostState{Used: policy.Load{CPU: policy.MilliCPU(64_000 * f.load(i, now)), Memory: policy.Bytes(i%9+1) * 40 * policy.GiB}, Running: f.domains, Band: policy.BandNormal},
	}}
	switch i {
	case 42:
		h.Flags = policy.Draining
	case 99:
		h.Stale, h.AgeSeconds = true, 73
	}
	return h
}

func (f fleet) move(i, to int, now time.Time) policy.Move {
	d := f.domain(i, 0, now)
	return policy.Move{Domain: d.ID, Name: d.Name, From: f.id(i), To: f.id(to), Why: policy.Overload, Load: d.Demand, MemoryMax: d.MemoryMax, Duration: 60 * time.Second, FromBefore: 0.86, FromAfter: 0.74, ToBefore: 0.3, ToAfter: 0.42}
}

func (f fleet) domain(i, j int, now time.Time) policy.Domain {
	share := 0.95 * f.load(i, now) * math.Pow(0.82, float64(j)) * 0.18 / (1 - math.Pow(0.82, float64(f.domains)))
	return policy.Domain{
		ID: policy.DomainID(fmt.Sprintf("00000000-0000-4000-9000-%06d%06d", i, j)), Name: fmt.Sprintf("vm-%d-%d", i, j), VCPUs: 8,
		Demand: policy.Load{CPU: policy.MilliCPU(64_000 * share), Memory: 8 * policy.GiB}, MemoryMax: 8 * policy.GiB, Known: true,
	}
}

func (f fleet) Fleet(_ context.Context, history int) (api.FleetReport, error) {
	now := time.Now()
	shown := api.FleetReport{At: now}
	for i := range f.hosts {
		h := api.HostReport{Host: f.host(i, now)}
		if h.Stale {
			h.Silent = policy.HostStale.Text()
		}
		why := policy.NotOverloaded
		if f.load(i, now) > 0.8 {
			why = policy.InFlight
		}
		marks := policy.DefaultConfig().Marks
		h.Report = &api.Report{Status: api.Status{Version: "1.0", Started: f.start, Host: h.HostFacts, State: h.HostState, Marks: marks, Mode: policy.AutoMode, Hold: why, HoldText: why.Text(), Operations: []api.Operation{}}}
		for j := range f.domains {
			h.Report.Domains = append(h.Report.Domains, api.Domain{Domain: f.domain(i, j, now), Stays: why, StaysText: why.Text()})
		}
		for n, pair := range [][2]int{{7, 11}, {68, 2}} {
			if pair[0] == i {
				h.Report.Operations = append(h.Report.Operations, api.Operation{
					ID: policy.OpID(fmt.Sprintf("00000000-0000-4000-a000-%012d", i)), Phase: "started", Move: f.move(i, pair[1], now),
					Opened: f.start, Done: policy.Fraction(math.Mod(now.Sub(f.start).Seconds()/60+0.2*float64(n), 1)),
				})
			}
		}
		if history > 0 {
			h.Report.Decisions = []api.Decision{{At: f.start, Hold: why, HoldText: why.Text(), CPU: policy.Fraction(f.load(i, now)), Memory: 0.5}}
		}
		shown.Hosts = append(shown.Hosts, h)
	}
	return shown, nil
}

func (f fleet) Timeline(after time.Time) api.Timeline {
	line := api.Timeline{At: []int64{}, Permille: map[policy.HostID][]int{}}
	for i := range f.hosts {
		line.Permille[f.id(i)] = []int{}
	}
	for at := f.start.Add(-20 * time.Minute); at.Before(time.Now()); at = at.Add(10 * time.Second) {
		if at.UnixMilli() <= after.UnixMilli() {
			continue
		}
		line.At = append(line.At, at.UnixMilli())
		for i := range f.hosts {
			line.Permille[f.id(i)] = append(line.Permille[f.id(i)], int(1000*f.load(i, at)))
		}
	}
	return line
}

func (f fleet) Explain(_ context.Context, domain string) (api.Explanation, error) {
	var i, j int
	if _, err := fmt.Sscanf(domain, "00000000-0000-4000-9000-%06d%06d", &i, &j); err != nil {
		return api.Explanation{}, err
	}
	e := api.Explanation{Domain: f.domain(i, j, time.Now()), On: f.host(i, time.Now()).Name, Hold: policy.NotOverloaded, HoldText: policy.NotOverloaded.Text(), Stays: policy.NotOverloaded}
	for n := range f.hosts {
		if n != i {
			e.Hosts = append(e.Hosts, api.HostExplanation{Host: f.id(n), Name: f.host(n, time.Now()).Name, Reason: policy.HostOverReceive, Text: policy.HostOverReceive.Text()})
		}
	}
	return e, nil
}
