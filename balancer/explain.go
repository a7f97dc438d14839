package balancer

import (
	"context"
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
// because it has moved between their reports, by the one that runs it still. A
// host that was too slow to report may have the time for this question.
func (b *Balancer) explainAmong(ctx context.Context, fleet api.FleetReport, domain string) (api.Explanation, error) {
	var found, older []api.HostReport
	var id policy.DomainID
	var silent []string
	for _, h := range fleet.Hosts {
		if h.Silent != "" {
			silent = append(silent, h.Name)
		}
		if h.Report == nil {
			continue
		}
		for _, d := range h.Report.Domains {
			switch {
			case d.Name != domain && string(d.ID) != domain:
			case id != "" && id != d.ID:
				return api.Explanation{}, fmt.Errorf("%s and %s each run a domain %q; name it by its UUID", append(found, older...)[0].Name, h.Name, domain)
			case h.Silent != "":
				older, id = append(older, h), d.ID
			default:
				found, id = append(found, h), d.ID
			}
		}
	}
	var err error
	for _, h := range append(found, older...) {
		var e api.Explanation
		if e, err = b.explainOn(ctx, h, id); err == nil {
			return e, nil
		}
	}
	switch {
	case len(found) > 0:
		return api.Explanation{}, err
	case len(silent) > 0:
		return api.Explanation{}, fmt.Errorf("no host that answers runs a domain %q; there is no answer from %s", domain, strings.Join(silent, ", "))
	default:
		return api.Explanation{}, fmt.Errorf("no host runs a domain %q; virtbalance vms lists them", domain)
	}
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
