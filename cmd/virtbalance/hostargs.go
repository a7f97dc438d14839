package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/nodeset"
	"github.com/virtbalance/virtbalance/policy"
)

// someHosts wants at least one host.
func someHosts(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s needs hosts, by name; virtbalance hosts lists them", cmd.CommandPath())}
	}
	return nil
}

// hosts are those that the arguments name, each once, in their natural order.
func (s *settings) hosts(ctx context.Context, args []string) ([]string, error) {
	all := nodeset.Set{}
	groups := hostGroups{ctx: ctx, s: s}
	for _, arg := range args {
		set, err := nodeset.Parse(arg, &groups)
		if err != nil {
			return nil, usageError{err}
		}
		maps.Copy(all, set)
	}
	if len(all) == 0 {
		return nil, usageError{fmt.Errorf("%s is no host", strings.Join(args, " "))}
	}
	return all.Names(), nil
}

// withNames are those of hosts that the arguments name, each once; without
// arguments all. name says how a host is called, by name and by UUID.
func withNames[T any](ctx context.Context, s *settings, args []string, hosts []T, name func(T) (string, policy.HostID)) ([]T, error) {
	if len(args) == 0 {
		return hosts, nil
	}
	wanted, err := s.hosts(ctx, args)
	if err != nil {
		return nil, err
	}
	var found []T
	var missing []string
	for _, w := range wanted {
		known := false
		for _, h := range hosts {
			if n, id := name(h); n == w || string(id) == w {
				found, known = append(found, h), true
			}
		}
		if !known {
			missing = append(missing, w)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: no host of that name is known here; virtbalance hosts lists them", fold(missing))
	}
	return found, nil
}

// folded are texts, each once and in the order of their first hosts, and the
// hosts of each.
type folded struct {
	texts []string
	hosts map[string][]string
}

func (f *folded) add(host, text string) {
	if f.hosts == nil {
		f.hosts = map[string][]string{}
	}
	if f.hosts[text] == nil {
		f.texts = append(f.texts, text)
	}
	f.hosts[text] = append(f.hosts[text], host)
}

// each calls row with every text and the set of its hosts.
func (f *folded) each(row func(hosts, text string)) {
	for _, text := range f.texts {
		row(fold(f.hosts[text]), text)
	}
}

// hostGroups are the groups of a file, and the hosts that the daemon knows.
type hostGroups struct {
	ctx  context.Context //nolint:containedctx // lives as long as one call of hosts
	s    *settings
	file *nodeset.GroupFile
}

// Group implements nodeset.Groups.
func (g *hostGroups) Group(source, name string) (string, error) {
	if err := g.read(); err != nil {
		return "", err
	}
	return g.file.Group(source, name)
}

// All implements nodeset.Groups. Without a source it is the fleet as it is, and
// not what a file says that it should be.
func (g *hostGroups) All(source string) (string, error) {
	if source != "" {
		if err := g.read(); err != nil {
			return "", err
		}
		return g.file.All(source)
	}
	hosts, err := g.s.client().Hosts(g.ctx)
	if err != nil {
		return "", err
	}
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return strings.Join(names, ","), nil
}

func (g *hostGroups) read() (err error) {
	if g.file != nil {
		return nil
	}
	path := g.s.groups
	if path == "" {
		path = nodeset.FindGroups(os.Getenv)
	}
	if path == "" {
		return errors.New("there is no file of groups: name one with --groups or VIRTBALANCE_GROUPS, or install ClusterShell's groups.conf")
	}
	g.file, err = nodeset.ReadGroups(path)
	return err
}

// fold writes host names as one set.
func fold(names []string) string { return nodeset.Fold(names) }

// failures are what kept hosts from answering, those with the same together.
type failures struct {
	first map[string]error
	hosts map[string][]string
}

func (f *failures) add(host string, err error) {
	if f.first == nil {
		f.first, f.hosts = map[string]error{}, map[string][]string{}
	}
	text := err.Error()
	if f.first[text] == nil {
		f.first[text] = err
	}
	f.hosts[text] = append(f.hosts[text], host)
}

// err is nil when there were none.
func (f *failures) err() error {
	var all []error
	for _, text := range slices.Sorted(maps.Keys(f.first)) {
		all = append(all, fmt.Errorf("%s: %w", fold(f.hosts[text]), f.first[text]))
	}
	return errors.Join(all...)
}
