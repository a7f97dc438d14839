package balancer

import (
	"context"
	"fmt"
	"slices"

	"github.com/virtbalance/virtbalance/policy"
)

// LabelChanges are what an operator has changed in the labels of a host while
// its daemon runs. They outlive a restart, and a reload of the configuration.
type LabelChanges struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// apply returns the configured labels with the changes, sorted.
func (l LabelChanges) apply(configured []string) []string {
	var labels []string
	for _, label := range slices.Concat(configured, l.Added) {
		if !slices.Contains(l.Removed, label) && !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

// with returns the changes with these made, too. One that restores what is
// configured is not kept.
func (l LabelChanges) with(configured, add, remove []string) LabelChanges {
	without := func(from, what []string) []string {
		return slices.DeleteFunc(slices.Clone(from), func(label string) bool { return slices.Contains(what, label) })
	}
	next := LabelChanges{
		Added:   slices.Concat(without(without(l.Added, remove), add), without(add, configured)),
		Removed: without(without(l.Removed, add), remove),
	}
	for _, label := range remove {
		if slices.Contains(configured, label) {
			next.Removed = append(next.Removed, label)
		}
	}
	slices.Sort(next.Added)
	slices.Sort(next.Removed)
	return next
}

// Labels are what this host is labelled with, and where that comes from.
type Labels struct {
	// InForce are the labels that domains find here.
	InForce    []string
	Configured []string
	Changes    LabelChanges
}

// Labels returns the labels of this host.
func (c *Core) Labels() Labels {
	return Labels{InForce: c.facts.Labels, Configured: c.configured, Changes: c.labels}
}

// Relabel puts labels in force: those that are configured, with the changes.
func (c *Core) Relabel(configured []string, changes LabelChanges) {
	c.configured, c.labels = configured, changes
	c.facts.Labels = changes.apply(configured)
}

// ConfigureLabels puts other configured labels in force. What an operator has
// changed stays changed.
func (b *Balancer) ConfigureLabels(ctx context.Context, configured []string) error {
	_, err := b.relabel(ctx, func(l Labels) ([]string, LabelChanges) { return configured, l.Changes })
	return err
}

// relabel tells the others of the labels that change makes, and puts them in
// force if they can be told.
func (b *Balancer) relabel(ctx context.Context, change func(Labels) ([]string, LabelChanges)) (Labels, error) {
	b.relabelling.Lock()
	defer b.relabelling.Unlock()
	var facts policy.HostFacts
	var before Labels
	if err := b.ask(ctx, func(c *Core) { before, facts = c.Labels(), c.facts }); err != nil {
		return Labels{}, err
	}
	configured, changes := change(before)
	facts.Labels = changes.apply(configured)
	if err := b.o.Cluster.SetFacts(facts); err != nil {
		return before, fmt.Errorf("labels: %w", err)
	}
	var after Labels
	err := b.ask(ctx, func(c *Core) {
		c.Relabel(configured, changes)
		after = c.Labels()
	})
	if !slices.Equal(before.InForce, after.InForce) {
		b.log.Info("labels changed", "from", before.InForce, "to", after.InForce)
	}
	return after, err
}
