package balancer

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// Drain shows how far the draining of this host has come or, before there is
// one, what it would do.
func (b *Balancer) Drain(ctx context.Context, q api.DrainQuery) (api.Drain, error) {
	g, err := b.glance(ctx)
	if err != nil {
		return api.Drain{}, err
	}
	for i := range g.view.Hosts[1:] {
		if h := &g.view.Hosts[i+1]; slices.Contains(q.Without, h.Name) || slices.Contains(q.Without, string(h.ID)) {
			h.Flags |= policy.Draining
		}
	}
	ahead := b.tuning.Load().Policy.Evacuate(g.view, g.state)
	if q.Check {
		ahead = b.foresee(ctx, g, ahead)
	}
	return b.showDrain(g, ahead), nil
}

// foresee asks the targets of the moves ahead for their pre-flight checks, and
// looks ahead anew without those that would refuse, until nobody does.
func (b *Balancer) foresee(ctx context.Context, g glance, ahead policy.Decision) policy.Decision {
	const (
		rounds         = 8
		foreseeTimeout = 30 * time.Second
	)
	ctx, cancel := context.WithTimeout(ctx, foreseeTimeout)
	defer cancel()
	asked := map[policy.DomainID][]policy.HostID{}
	for range rounds {
		var unasked []policy.Move
		for _, m := range ahead.Plan {
			if !slices.Contains(asked[m.Domain], m.To) {
				asked[m.Domain] = append(asked[m.Domain], m.To)
				unasked = append(unasked, m)
			}
		}
		refused := b.refused(ctx, unasked)
		if len(refused) == 0 {
			break
		}
		g.state.Backoffs = slices.Concat(g.state.Backoffs, refused)
		ahead = b.tuning.Load().Policy.Evacuate(g.view, g.state)
	}
	return ahead
}

// refused are the moves that their targets' pre-flight checks speak against.
// Where there is no answer nothing is said.
func (b *Balancer) refused(ctx context.Context, moves []policy.Move) []policy.Backoff {
	var mu sync.Mutex
	var refused []policy.Backoff
	var g errgroup.Group
	g.SetLimit(8)
	for _, m := range moves {
		g.Go(func() error {
			why, _, err := b.preflight(ctx, m)
			if err == nil && why != policy.OK {
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, policy.Backoff{Domain: m.Domain, Host: m.To, Until: time.Now().Add(time.Hour), Reason: why})
			}
			return nil
		})
	}
	_ = g.Wait() // nobody returns one
	return refused
}

// preflight asks the target of a move whether it could run the domain, whatever
// room it has.
func (b *Balancer) preflight(ctx context.Context, m policy.Move) (why policy.Reason, detail string, err error) {
	d, err := b.o.Hypervisor.Describe(ctx, m.Domain)
	if err != nil {
		return policy.OK, "", err
	}
	d.Source = b.o.Facts
	return b.preflightOn(ctx, m.To, d)
}

func (b *Balancer) showDrain(g glance, ahead policy.Decision) api.Drain {
	self := g.view.Hosts[0]
	d := api.Drain{
		Host: self.ID, Name: self.Name, Draining: self.Flags.Has(policy.Draining),
		Hold: ahead.Hold, HoldText: ahead.HoldText(),
		Stays: []api.Stay{}, Moving: []api.Operation{}, Moves: append([]policy.Move{}, ahead.Plan...),
		HostNames: g.names(),
	}
	moving := map[policy.DomainID]bool{}
	for _, o := range g.operations {
		d.Moving = append(d.Moving, b.show(o, d.HostNames))
		moving[o.Move.Domain] = true
	}
	refusals := map[policy.DomainID][]api.HostExplanation{}
	for _, v := range ahead.Verdicts {
		if v.Host != "" {
			refusals[v.Domain] = append(refusals[v.Domain], api.HostExplanation{
				Host: v.Host, Name: d.HostNames[v.Host], Reason: v.Reason, Text: v.Reason.Text(),
			})
		}
	}
	for _, v := range ahead.Verdicts {
		if v.Host == "" && !moving[v.Domain] {
			d.Stays = append(d.Stays, api.Stay{
				Domain: v.Domain, Name: v.Name, Reason: v.Reason, Text: v.Reason.Text(), Hosts: refusals[v.Domain],
			})
		}
	}
	// Those that no host could take first.
	slices.SortStableFunc(d.Stays, func(a, b api.Stay) int {
		return cmp.Or(cmp.Compare(min(1, len(a.Hosts)), min(1, len(b.Hosts))), cmp.Compare(a.Name, b.Name))
	})
	return d
}
