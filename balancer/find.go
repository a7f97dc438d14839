package balancer

import (
	"cmp"
	"context"
	"slices"

	"github.com/virtbalance/virtbalance/balancer/api"
)

// Network says whether domains can be connected to a network here.
func (b *Balancer) Network(ctx context.Context, name string) (api.Network, error) {
	has, err := b.o.Hypervisor.HasNetwork(ctx, name)
	return api.Network{Name: name, Here: has}, err
}

// Find says which hosts could take a new domain, those with the most room first.
func (b *Balancer) Find(ctx context.Context, q api.FindQuery) ([]api.Room, error) {
	g, err := b.glance(ctx)
	if err != nil {
		return nil, err
	}
	known := g.names()
	rooms := []api.Room{}
	for _, r := range b.tuning.Load().Policy.Find(g.view, q.Load, q.Requires) {
		rooms = append(rooms, api.Room{Room: r, Name: known[r.Host], Text: r.Reason.Text()})
	}
	slices.SortFunc(rooms, func(a, b api.Room) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Name, b.Name))
	})
	return rooms, nil
}
