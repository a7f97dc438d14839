package balancer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Neighbours asks other daemons what they show their own operators. No decision
// looks at the answers.
type Neighbours interface {
	// Report asks a host for its status, domains and operations.
	Report(ctx context.Context, e policy.Endpoint, target policy.HostID, r peer.ReportRequest) (api.Report, error)
	// Explain asks a host why one of its domains would or would not move.
	Explain(ctx context.Context, e policy.Endpoint, target policy.HostID, id policy.DomainID) (api.Explanation, error)
	// Preflight asks a host whether it could run a domain of this host.
	Preflight(ctx context.Context, e policy.Endpoint, target policy.HostID, d hypervisor.Description) (policy.Reason, string, error)
}

const (
	// reportTimeout is how long one host may take; a host that is too busy to
	// answer within it is shown as silent.
	reportTimeout = time.Second
	// collectTimeout bounds the whole collection.
	collectTimeout = 3 * time.Second
	// reportsAtOnce are asked together.
	reportsAtOnce = 32
)

// freshFor is how long a report is shown before the host is asked again: the
// pace of the gossip, so that watching a large fleet costs each of its hosts no
// more than watching a small one.
func freshFor(hosts int) time.Duration {
	return max(2*time.Second, time.Duration(hosts)*10*time.Millisecond)
}

// reports are the newest reports of the other hosts.
type reports struct {
	// turn is held while they are collected: who comes second finds them fresh.
	turn  chan struct{}
	mu    sync.Mutex
	known map[policy.HostID]reported
}

// reported is what is known of one host.
type reported struct {
	report *api.Report // nil: it has never answered
	at     time.Time
	// asked is when it was last asked, for how much history, and err what came
	// of it.
	asked   time.Time
	history int
	err     error
}

func newReports() *reports {
	return &reports{turn: make(chan struct{}, 1), known: map[policy.HostID]reported{}}
}

func (r *reports) get(id policy.HostID) reported {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[id]
}

// keep takes in an answer; a host that gave none keeps its old report.
func (r *reports) keep(id policy.HostID, now time.Time, history int, report api.Report, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.known[id]
	k.asked, k.history, k.err = now, history, err
	if err == nil {
		k.report, k.at = &report, now
	}
	r.known[id] = k
}

// expire has every host asked again at the next look.
func (r *reports) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, k := range r.known {
		k.asked = time.Time{}
		r.known[id] = k
	}
}

// forget drops all hosts but those named.
func (r *reports) forget(but map[policy.HostID]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.known {
		if !but[id] {
			delete(r.known, id)
		}
	}
}

// Report is what this host shows of itself.
func (b *Balancer) Report(ctx context.Context, r peer.ReportRequest) (api.Report, error) {
	status, err := b.Status(ctx)
	if err != nil {
		return api.Report{}, err
	}
	report := api.Report{Status: status}
	if report.Domains, err = b.Domains(ctx); err != nil {
		return api.Report{}, err
	}
	slices.SortStableFunc(report.Domains, func(a, b api.Domain) int {
		return cmp.Or(cmp.Compare(b.Demand.CPU, a.Demand.CPU), cmp.Compare(a.ID, b.ID))
	})
	if excess := len(report.Domains) - peer.ReportDomainsMax; excess > 0 {
		report.Domains, report.DomainsLeftOut = report.Domains[:peer.ReportDomainsMax], excess
	}
	if r.History > 0 {
		report.History, err = b.History(ctx, r.History)
		report.Decisions = b.decisions.newest(r.History)
	}
	return report, err
}

// Fleet shows every host, with what each reports of itself. It asks those whose
// report is not new any more, all at once and each for a moment only.
func (b *Balancer) Fleet(ctx context.Context, history int) (api.FleetReport, error) {
	hosts, err := b.Hosts(ctx)
	if err != nil {
		return api.FleetReport{}, err
	}
	if err := b.collect(ctx, hosts, history); err != nil {
		return api.FleetReport{}, err
	}
	own, err := b.Report(ctx, peer.ReportRequest{History: history})
	if err != nil {
		return api.FleetReport{}, err
	}
	fleet := api.FleetReport{At: time.Now()}
	for _, h := range hosts {
		shown := api.HostReport{Host: h}
		if h.Self {
			shown.Report = &own
		} else {
			shown.Report, shown.ReportAgeSeconds, shown.Silent = b.heard(h, fleet.At, history)
		}
		fleet.Hosts = append(fleet.Hosts, shown)
	}
	slices.SortFunc(fleet.Hosts, func(a, b api.HostReport) int {
		switch {
		case a.Self != b.Self && a.Self:
			return -1
		case a.Self != b.Self:
			return 1
		}
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return fleet, nil
}

// heard is what to show of another host.
func (b *Balancer) heard(h api.Host, now time.Time, history int) (report *api.Report, age float64, silent string) {
	k := b.reports.get(h.ID)
	switch {
	case h.Stale:
		silent = policy.HostStale.Text()
	case k.err != nil:
		silent = k.err.Error()
	case k.report == nil:
		silent = "the host has not been asked yet"
	}
	if k.report == nil {
		return nil, 0, silent
	}
	shown := *k.report
	shown.History = shown.History[:min(history, len(shown.History))]
	shown.Decisions = shown.Decisions[:min(history, len(shown.Decisions))]
	return &shown, now.Sub(k.at).Seconds(), silent
}

// collect asks the other hosts for what is not known or not new any more.
func (b *Balancer) collect(ctx context.Context, hosts []api.Host, history int) error {
	if b.o.Neighbours == nil {
		return nil
	}
	select {
	case b.reports.turn <- struct{}{}:
		defer func() { <-b.reports.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// Who asked first may leave; the others go by what is collected for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), collectTimeout)
	defer cancel()
	members := map[policy.HostID]bool{}
	places := make(chan struct{}, reportsAtOnce)
	var asking sync.WaitGroup
	for _, h := range hosts {
		members[h.ID] = true
		k := b.reports.get(h.ID)
		if h.Self || h.Stale || time.Since(k.asked) < freshFor(len(hosts)) && (k.err != nil || k.history >= history) {
			continue
		}
		places <- struct{}{} // given back within reportTimeout
		asking.Go(func() {
			defer func() { <-places }()
			report, err := b.askReport(ctx, h.ID, history)
			b.reports.keep(h.ID, time.Now(), history, report, err)
		})
	}
	asking.Wait()
	b.reports.forget(members)
	return nil
}

func (b *Balancer) askReport(ctx context.Context, id policy.HostID, history int) (api.Report, error) {
	endpoint, ok := b.o.Cluster.Endpoint(id)
	if !ok {
		return api.Report{}, errors.New("the host is not a member any more")
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	return b.o.Neighbours.Report(ctx, endpoint, id, peer.ReportRequest{History: history})
}
