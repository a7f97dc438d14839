package balancer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// explainTimeout is for one host, which a person waits for.
const explainTimeout = 5 * time.Second

// ExplainHere says of one domain of this host why it would, would not or did
// move.
func (b *Balancer) ExplainHere(ctx context.Context, id policy.DomainID) (api.Explanation, error) {
	g, err := b.glance(ctx)
	if err != nil {
		return api.Explanation{}, err
	}
	if _, here := g.view.Domain(id); !here {
		return api.Explanation{}, fmt.Errorf("%s runs no domain %s", b.o.Facts.Name, id)
	}
	return b.explain(g, id), nil
}

// Explain says of one domain of the fleet, by name or UUID, why it would, would
// not or did move. What runs elsewhere is explained by the host that runs it.
func (b *Balancer) Explain(ctx context.Context, domain string) (api.Explanation, error) {
	for again := true; ; again = false {
		fleet, err := b.Fleet(ctx, 0)
		if err != nil {
			return api.Explanation{}, err
		}
		e, err := b.explainAmong(ctx, fleet, domain)
		if err == nil || !again || !underWay(fleet) {
			return e, err
		}
		// A migration that has ended after the reports is known within half a second.
		sleep(ctx, time.Second)
		b.reports.expire()
	}
}

// underWay reports that a domain moves from one host to another, or has just
// done so.
func underWay(fleet api.FleetReport) bool {
	return slices.ContainsFunc(fleet.Hosts, func(h api.HostReport) bool {
		return h.Report != nil && (len(h.Report.Operations) > 0 || h.Report.State.Promised != (policy.Load{}))
	})
}

// explainAmong has a domain explained by the host that reports it; where two do,
// because it has moved between their reports, by the one that runs it still. Only
// where none reports it, those are asked that have done so before: a host that was
// too slow for a report may have the time for this question.
func (b *Balancer) explainAmong(ctx context.Context, fleet api.FleetReport, domain string) (api.Explanation, error) {
	var reporting, before []found
	var silent []string
	for _, h := range fleet.Hosts {
		if h.Silent == "" {
			reporting = append(reporting, find(h, domain)...)
			continue
		}
		silent = append(silent, h.Name)
		before = append(before, find(h, domain)...)
	}
	e, err := b.explainAny(ctx, domain, reporting)
	if len(reporting) == 0 {
		e, err = b.explainAny(ctx, domain, before)
	}
	switch {
	case err == nil || len(reporting) > 0:
		return e, err
	case len(silent) > 0:
		return e, fmt.Errorf("no host that answers runs a domain %q; there is no answer from %s", domain, strings.Join(silent, ", "))
	default:
		return e, fmt.Errorf("no host runs a domain %q; virtbalance vms lists them", domain)
	}
}

// found is a domain on a host that has reported it.
type found struct {
	host api.HostReport
	id   policy.DomainID
}

// find looks for a domain, by name or UUID, in a host's report.
func find(h api.HostReport, domain string) []found {
	if h.Report == nil {
		return nil
	}
	var all []found
	for _, d := range h.Report.Domains {
		if d.Name == domain || string(d.ID) == domain {
			all = append(all, found{h, d.ID})
		}
	}
	return all
}

var errNotFound = errors.New("not found")

// explainAny has one domain explained by the first host that does.
func (b *Balancer) explainAny(ctx context.Context, domain string, at []found) (e api.Explanation, err error) {
	for _, f := range at {
		if f.id != at[0].id {
			return e, fmt.Errorf("%s and %s each run a domain %q; name it by its UUID", at[0].host.Name, f.host.Name, domain)
		}
	}
	err = errNotFound
	for _, f := range at {
		if e, err = b.explainOn(ctx, f.host, f.id); err == nil {
			break
		}
	}
	return e, err
}

// explainOn has a host explain one of its domains.
func (b *Balancer) explainOn(ctx context.Context, h api.HostReport, id policy.DomainID) (api.Explanation, error) {
	if h.Self {
		return b.ExplainHere(ctx, id)
	}
	endpoint, ok := b.o.Cluster.Endpoint(h.ID)
	if !ok {
		return api.Explanation{}, fmt.Errorf("host %s is not a member any more", h.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	return b.o.Neighbours.Explain(ctx, endpoint, h.ID, id)
}
