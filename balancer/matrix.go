package balancer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

const (
	// matrixTimeout is for the whole matrix, which a person waits for;
	// checkTimeout for the checks of one domain on one host.
	matrixTimeout = 45 * time.Second
	checkTimeout  = 20 * time.Second
	// matrixMax bounds the questions that one matrix asks of other hosts.
	matrixMax = 4000
	// checksAtOnce are asked together; each host bears a few of them.
	checksAtOnce = 16
)

// Preflight says whether this host, as the target, could run the domain. It books
// nothing and does not look at loads.
func (b *Balancer) Preflight(ctx context.Context, d hypervisor.Description) (policy.Reason, string) {
	return b.o.Hypervisor.Preflight(ctx, d)
}

// Matrix says of each domain of this host, or of the one named, which of the
// other hosts could run it: the policy's rules are asked here, the pre-flight
// checks of the hosts themselves.
func (b *Balancer) Matrix(ctx context.Context, domain string) (api.Matrix, error) {
	ctx, cancel := context.WithTimeout(ctx, matrixTimeout)
	defer cancel()
	g, err := b.glance(ctx)
	if err != nil {
		return api.Matrix{}, err
	}
	m := api.Matrix{Hosts: []api.MatrixHost{}, Rows: []api.MatrixRow{}}
	byName := func(a, b string, idA, idB string) int { return cmp.Or(cmp.Compare(a, b), cmp.Compare(idA, idB)) }
	slices.SortFunc(g.view.Hosts, func(a, b policy.Host) int { return byName(a.Name, b.Name, string(a.ID), string(b.ID)) })
	slices.SortFunc(g.view.Domains, func(a, b policy.Domain) int { return byName(a.Name, b.Name, string(a.ID), string(b.ID)) })
	var others []policy.Host
	for _, h := range g.view.Hosts {
		if h.ID == g.view.Self {
			m.On = api.MatrixHost{ID: h.ID, Name: h.Name}
			continue
		}
		others = append(others, h)
		m.Hosts = append(m.Hosts, api.MatrixHost{ID: h.ID, Name: h.Name})
	}
	var domains []policy.Domain
	for _, d := range g.view.Domains {
		if domain == "" || d.Name == domain || string(d.ID) == domain {
			domains = append(domains, d)
		}
	}
	switch {
	case domain != "" && len(domains) == 0:
		return m, fmt.Errorf("this host runs no domain %q; ask where it runs (virtbalance vms)", domain)
	case len(domains)*len(others) > matrixMax:
		return m, fmt.Errorf("%d domains on %d hosts are too many to ask at once: name a domain", len(domains), len(others))
	}
	places := make(chan struct{}, checksAtOnce)
	m.Rows = make([]api.MatrixRow, len(domains))
	var rows sync.WaitGroup
	for i, d := range domains {
		rows.Go(func() { m.Rows[i] = b.matrixRow(ctx, g, d, others, places) })
	}
	rows.Wait()
	return m, ctx.Err()
}

// matrixRow asks the hosts about one domain.
func (b *Balancer) matrixRow(ctx context.Context, g glance, d policy.Domain, hosts []policy.Host, places chan struct{}) api.MatrixRow {
	row := api.MatrixRow{Domain: d.ID, Name: d.Name, Stays: d.Obstacle, StaysText: d.Obstacle.Text()}
	if d.Obstacle != policy.OK {
		return row
	}
	places <- struct{}{}
	described, cancel := context.WithTimeout(ctx, describeTimeout)
	description, err := b.o.Hypervisor.Describe(described, d.ID)
	cancel()
	<-places
	description.Source = b.o.Facts
	row.Cells = make([]api.MatrixCell, len(hosts))
	var cells sync.WaitGroup
	for i, h := range hosts {
		why := b.ruledOut(g, d, h)
		switch {
		case why != policy.OK:
			row.Cells[i] = cell(why, "")
		case err != nil:
			row.Cells[i] = cell(policy.PreflightFailed, err.Error())
		default:
			cells.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				row.Cells[i] = b.matrixCell(ctx, description, h)
			})
		}
	}
	cells.Wait()
	return row
}

func (b *Balancer) matrixCell(ctx context.Context, d hypervisor.Description, h policy.Host) api.MatrixCell {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	why, detail, err := b.preflightOn(ctx, h.ID, d)
	if err != nil {
		if why == policy.OK {
			why = policy.Unreachable
		}
		detail = err.Error()
	}
	return cell(why, detail)
}

// preflightOn asks a host whether it could run a domain of this one.
func (b *Balancer) preflightOn(ctx context.Context, host policy.HostID, d hypervisor.Description) (policy.Reason, string, error) {
	e, ok := b.o.Cluster.Endpoint(host)
	if !ok || b.o.Neighbours == nil {
		return policy.Unreachable, "", nil
	}
	return b.o.Neighbours.Preflight(ctx, e, host, d)
}

// ruledOut is what of the policy's reasons does not pass by itself: OK for
// everything that depends on loads and on time.
func (b *Balancer) ruledOut(g glance, d policy.Domain, h policy.Host) policy.Reason {
	for _, label := range d.Requires {
		if !slices.Contains(h.Labels, label) {
			return policy.LabelMissing
		}
	}
	switch why := b.tuning.Load().Policy.Explain(g.view, g.state, d.ID, h.ID); why {
	case policy.LabelMissing, policy.AffinityGroup, policy.AntiAffinityGroup:
		return why
	default:
		return policy.OK
	}
}

func cell(why policy.Reason, detail string) api.MatrixCell {
	return api.MatrixCell{Reason: why, Text: why.Text(), Detail: detail}
}
