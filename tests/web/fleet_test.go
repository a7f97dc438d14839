//go:build !race && !lab

package webtest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// fleet is a daemon that shows a large fleet. Its hosts have loads of their own,
// which sway; some are over their mark, one is drained, one is silent, two moves
// are under way, one host finds nobody to relieve it, and one is outside its time
// windows.
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
	if i%20 < 4 {
		h.Labels = []string{"ssd"}
	}
	switch i {
	case 2, 11: // to which VMs are on their way
		h.Promised = policy.Load{CPU: 8000, Memory: 8 * policy.GiB}
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
	d := policy.Domain{
		ID: policy.DomainID(fmt.Sprintf("00000000-0000-4000-9000-%06d%06d", i, j)), Name: fmt.Sprintf("vm-%d-%d", i, j), VCPUs: 8,
		Demand: policy.Load{CPU: policy.MilliCPU(64_000 * share), Memory: 8 * policy.GiB}, MemoryMax: 8 * policy.GiB, Known: true,
	}
	if j == 1 {
		d.Rules = policy.Rules{
			Requires: []string{"ssd"}, Priority: 5,
			Groups: []policy.Membership{{Rule: policy.AntiAffinity, Group: "db"}, {Rule: policy.Affinity, Group: "shop", Soft: true}},
		}
	}
	return d
}

// hold is why a host starts nothing.
func (f fleet) hold(i int, now time.Time) policy.Reason {
	switch {
	case i == 7 || i == 68: // from which VMs are on their way
		return policy.InFlight
	case f.load(i, now) > 0.8:
		return policy.NoFeasibleHost
	default:
		return policy.NotOverloaded
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
		why := f.hold(i, now)
		marks := policy.DefaultConfig().Marks
		h.Report = &api.Report{Status: api.Status{Version: "1.0", Started: f.start, Host: h.HostFacts, State: h.HostState, Marks: marks, Mode: policy.AutoMode, Hold: why, HoldText: why.Text(), Operations: []api.Operation{}}}
		h.Report.Room = api.Headroom{HardestName: "rack01-node01", Headroom: policy.Headroom{
			Hosts: f.hosts - 1, Size: policy.Load{CPU: 2000, Memory: 8 * policy.GiB}, Domains: 412, Binding: policy.HostOverReceive,
			Survives: true, Hardest: f.id(0),
		}}
		switch i {
		case 5:
			h.Report.Closed = &api.Closed{Opens: f.start.Add(2 * time.Hour)}
		case 129:
			d := f.domain(i, 0, now)
			h.Report.Shortage = &policy.Shortage{
				Domain: d.ID, Name: d.Name, Size: d.Demand, Binding: policy.HostOverReceive,
				Tally: []policy.Count{{Reason: policy.HostOverReceive, Count: f.hosts - 40}, {Reason: policy.HostMemory, Count: 39}},
			}
		}
		for j := range f.domains {
			h.Report.Domains = append(h.Report.Domains, api.Domain{Domain: f.domain(i, j, now), Stays: why, StaysText: why.Text()})
		}
		for n, pair := range [][2]int{{7, 11}, {68, 2}} {
			if pair[0] == i {
				done := math.Mod(now.Sub(f.start).Seconds()/60+0.2*float64(n), 1)
				h.Report.Operations = append(h.Report.Operations, api.Operation{
					ID: policy.OpID(fmt.Sprintf("00000000-0000-4000-a000-%012d", i)), Phase: "started", Move: f.move(i, pair[1], now),
					Opened: now.Add(-time.Duration(done * float64(time.Minute))), Done: policy.Fraction(done),
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
	now := time.Now()
	hold := f.hold(i, now)
	e := api.Explanation{Domain: f.domain(i, j, now), On: f.host(i, now).Name, Hold: hold, HoldText: hold.Text(), Stays: hold}
	for n := range f.hosts {
		if n == i {
			continue
		}
		h, why := f.host(n, now), policy.OK
		switch {
		case len(e.Domain.Requires) > len(h.Labels):
			why = policy.LabelMissing
		case f.load(n, now) > 0.55 || hold == policy.NoFeasibleHost:
			why = policy.HostOverReceive
		}
		e.Hosts = append(e.Hosts, api.HostExplanation{Host: f.id(n), Name: h.Name, Reason: why, Text: why.Text()})
	}
	instead := policy.Instead{Changes: []policy.Change{{Key: "policy.receive", Was: "64", Is: "70"}}, Move: f.move(i, 2, now)}
	e.Instead = &api.Instead{Instead: instead, Text: instead.Text(), ToName: f.host(2, now).Name}
	return e, nil
}

// Relay answers for any of the hosts.
func (f fleet) Relay(ctx context.Context, host string, r api.Request) (api.Answer, error) {
	var i int
	if _, err := fmt.Sscanf(host, "00000000-0000-4000-8000-%012d", &i); err != nil {
		return api.Answer{}, err
	}
	server := api.NewServer()
	server.Show(drained{f, i})
	return server.Answer(ctx, r), nil
}

// drained is the daemon of one host of the fleet, which says what becomes of its
// domains when it is drained.
type drained struct {
	fleet

	host int
}

func (d drained) Drain(context.Context, api.DrainQuery) (api.Drain, error) {
	now := time.Now()
	h, stays := d.fleet.host(d.host, now), d.domain(d.host, 0, now)
	a := api.Drain{
		Host: h.ID, Name: h.Name, Draining: h.Flags.Has(policy.Draining), Moving: []api.Operation{},
		Stays:     []api.Stay{{Domain: stays.ID, Name: stays.Name, Reason: policy.PinnedDomain, Text: policy.PinnedDomain.Text()}},
		HostNames: map[policy.HostID]string{},
	}
	for j := 1; j < d.domains; j++ {
		v, to := d.domain(d.host, j, now), d.fleet.host((d.host+j)%d.hosts, now)
		a.HostNames[to.ID] = to.Name
		a.Moves = append(a.Moves, policy.Move{Domain: v.ID, Name: v.Name, From: h.ID, To: to.ID, Why: policy.Drain, Duration: 20 * time.Second})
	}
	return a, nil
}
