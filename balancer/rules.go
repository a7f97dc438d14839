package balancer

import (
	"context"
	"fmt"
	"slices"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// Ruled puts the rules of a domain in force that have just been written, before
// a sample shows them.
func (c *Core) Ruled(id policy.DomainID, r policy.Rules) {
	for i := range c.sample.Domains {
		if c.sample.Domains[i].ID == id {
			c.sample.Domains[i].Rules = r.Clone()
		}
	}
	for i := range c.domains {
		if c.domains[i].ID == id {
			c.domains[i].Rules = r.Clone()
		}
	}
}

// ChangeRules changes the rules that a domain of this host carries. A migration
// of the domain that has begun goes on.
func (b *Balancer) ChangeRules(ctx context.Context, domain string, change api.RulesChange) (api.DomainRules, error) {
	b.ruling.Lock() // a change builds on what the one before has written
	defer b.ruling.Unlock()
	g, err := b.glance(ctx)
	if err != nil {
		return api.DomainRules{}, err
	}
	i := slices.IndexFunc(g.view.Domains, func(d policy.Domain) bool { return d.Name == domain || string(d.ID) == domain })
	if i < 0 {
		return api.DomainRules{}, fmt.Errorf("this host runs no domain %q; virtbalance vms says where it is", domain)
	}
	d := g.view.Domains[i]
	reply := api.DomainRules{Domain: d.ID, Name: d.Name, Host: g.view.Hosts[0].Name, Rules: change.Apply(d.Rules)}
	if err := reply.Rules.Validate(); err != nil {
		return reply, fmt.Errorf("domain %s: %w", d.Name, err)
	}
	if d.Obstacle == policy.NotInspected {
		return reply, fmt.Errorf("domain %s: its rules have not been read yet; try again in a moment", d.Name)
	}
	if err := b.o.Hypervisor.SetRules(ctx, d.ID, reply.Rules); err != nil {
		return reply, err
	}
	b.log.Info("rules of a domain changed by an operator", "domain", d.Name, "uuid", d.ID, "from", d.Rules.Summary(), "to", reply.Rules.Summary())
	return reply, b.ask(ctx, func(c *Core) { c.Ruled(d.ID, reply.Rules) })
}

// ChangeLabels changes the labels of this host, and says what follows. Once it
// has returned nil, a restart does not forget it.
func (b *Balancer) ChangeLabels(ctx context.Context, change api.LabelsChange) (api.Labels, error) {
	for _, l := range change.Add {
		if err := policy.CheckWord("label", l); err != nil {
			return api.Labels{}, err
		}
		if slices.Contains(change.Remove, l) {
			return api.Labels{}, fmt.Errorf("label %q is both added and removed", l)
		}
	}
	var labels Labels
	err := b.ask(ctx, func(c *Core) { labels = c.Labels() })
	if err != nil {
		return api.Labels{}, err
	}
	for _, l := range change.Remove {
		if !slices.Contains(labels.InForce, l) {
			return api.Labels{}, fmt.Errorf("this host has no label %q to remove", l)
		}
	}
	if change.DryRun {
		labels.Changes = labels.Changes.with(labels.Configured, change.Add, change.Remove)
		labels.InForce = labels.Changes.apply(labels.Configured)
	} else {
		labels, err = b.relabel(ctx, func(l Labels) ([]string, LabelChanges) {
			return l.Configured, l.Changes.with(l.Configured, change.Add, change.Remove)
		})
		if err != nil {
			return api.Labels{}, err
		}
		if err := b.remember(ctx); err != nil {
			return api.Labels{}, fmt.Errorf("done, but a restart will forget it: %w", err)
		}
	}
	reply := api.Labels{
		Labels: labels.InForce, Configured: labels.Configured,
		Added: labels.Changes.Added, Removed: labels.Changes.Removed,
	}
	err = b.ask(ctx, func(c *Core) {
		reply.Host, reply.Name = c.facts.ID, c.facts.Name
		for _, d := range c.domains {
			if slices.ContainsFunc(d.Requires, func(l string) bool { return !slices.Contains(labels.InForce, l) }) {
				reply.Misplaced = append(reply.Misplaced, d.Name)
			}
		}
	})
	slices.Sort(reply.Misplaced)
	return reply, err
}
