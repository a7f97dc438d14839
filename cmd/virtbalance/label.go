package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
)

func newLabel(s *settings) *cobra.Command {
	var change api.LabelsChange
	cmd := &cobra.Command{
		Use:   "label [HOST]",
		Short: "Show the labels of all hosts, or change those of one",
		Long: `Without flags: the labels of every host.

With --add or --remove: changes the labels of a host, this one if none is named,
until they are changed back; a restart and a reload of the configuration keep it.
When a label goes, exactly the domains that require it leave; --dry-run says
which, and changes nothing.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("label takes one host at most; got %q", args)}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(change.Add) == 0 && len(change.Remove) == 0 {
				if change.DryRun {
					return usageError{fmt.Errorf("--dry-run goes with --add or --remove")}
				}
				hosts, err := labelledHosts(c, s, args)
				if err != nil {
					return err
				}
				return show(c, s, hosts, printHostLabels)
			}
			client := s.client()
			if len(args) == 1 {
				client = client.At(args[0])
			}
			labels, err := client.ChangeLabels(c.Context(), change)
			if err != nil {
				return err
			}
			return show(c, s, labels, func(w io.Writer, l api.Labels) { printLabels(w, l, change.DryRun) })
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&change.Add, "add", nil, "give this host a `label`")
	flags.StringSliceVar(&change.Remove, "remove", nil, "take a `label` from it")
	flags.BoolVar(&change.DryRun, "dry-run", false, "say what would follow, and change nothing")
	return cmd
}

// labelledHosts are all hosts by name, or the one that is asked for.
func labelledHosts(c *cobra.Command, s *settings, args []string) ([]api.Host, error) {
	hosts, err := s.client().Hosts(c.Context())
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		hosts = slices.DeleteFunc(hosts, func(h api.Host) bool { return h.Name != args[0] && string(h.ID) != args[0] })
		if len(hosts) == 0 {
			return nil, fmt.Errorf("no host %q is known here; virtbalance hosts lists them", args[0])
		}
	}
	slices.SortFunc(hosts, func(a, b api.Host) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return hosts, nil
}

func printHostLabels(w io.Writer, hosts []api.Host) {
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "HOST\tLABELS")
		for _, h := range hosts {
			name := h.Name
			if h.Self {
				name += " *"
			}
			fmt.Fprintf(w, "%s\t%s\n", name, list(slices.Sorted(slices.Values(h.Labels))))
		}
	})
}

func printLabels(w io.Writer, l api.Labels, dryRun bool) {
	has, leave := "has", "leave, as far as other hosts can take them"
	if dryRun {
		has, leave = "would have", "would leave, as far as other hosts can take them"
	}
	fmt.Fprintf(w, "%s %s the labels: %s\n", l.Name, has, list(l.Labels))
	if len(l.Added) > 0 {
		fmt.Fprintf(w, "  not in the configuration: %s\n", list(l.Added))
	}
	if len(l.Removed) > 0 {
		fmt.Fprintf(w, "  in the configuration, and taken away: %s\n", list(l.Removed))
	}
	if len(l.Misplaced) > 0 {
		fmt.Fprintf(w, "These domains require labels that it lacks, and %s: %s\n", leave, list(l.Misplaced))
	}
}

func list(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}
