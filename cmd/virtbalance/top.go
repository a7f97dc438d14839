package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newTop(s *settings) *cobra.Command {
	var o struct {
		every  time.Duration
		rounds int
		vms    int
	}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the fleet: its hosts, the moves that run, the busiest domains",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.every < 100*time.Millisecond {
				return usageError{fmt.Errorf("--every %s is not at least 100ms", o.every)}
			}
			out := newProgress(cmd.OutOrStdout(), s)
			ticker := time.NewTicker(o.every)
			defer ticker.Stop()
			for round := 1; ; round++ {
				fleet, err := s.client().Fleet(cmd.Context(), 0)
				if err != nil {
					return err
				}
				if s.format != "table" || !out.terminal {
					if err := show(cmd, s, fleet, func(w io.Writer, f api.FleetReport) { printTop(w, f, o.vms) }); err != nil {
						return err
					}
				} else {
					var text strings.Builder
					printTop(&text, fleet, o.vms)
					out.live("top", strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n"))
				}
				if round == o.rounds {
					return nil
				}
				select {
				case <-cmd.Context().Done():
					return nil // Ctrl-C is how one leaves
				case <-ticker.C:
				}
			}
		},
	}
	cmd.Flags().DurationVar(&o.every, "every", 2*time.Second, "how often to look")
	cmd.Flags().IntVarP(&o.rounds, "rounds", "n", 0, "look so often and end; 0 is until Ctrl-C")
	cmd.Flags().IntVar(&o.vms, "vms", 10, "how many domains to list")
	return cmd
}

// printTop lists the hosts, the fullest first, then what moves, then the busiest
// domains.
func printTop(w io.Writer, f api.FleetReport, vms int) {
	hosts := slices.Clone(f.Hosts)
	load := func(h api.HostReport) policy.Host {
		if h.Report == nil {
			return policy.Host{}
		}
		return policy.Host{HostFacts: h.Report.Host, HostState: h.Report.State}
	}
	slices.SortStableFunc(hosts, func(a, b api.HostReport) int {
		x, y := load(a), load(b)
		return cmp.Or(cmp.Compare(y.Utilization(policy.CPU), x.Utilization(policy.CPU)), cmp.Compare(a.Name, b.Name))
	})
	var moving []api.Operation
	var domains []hostDomain
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "HOST\tCPU\t\tMEMORY\tDOMAINS\tBAND\tFLAGS")
		for _, h := range hosts {
			if h.Report == nil {
				fmt.Fprintf(w, "%s\t\t\t\t\t\t%s\n", h.Name, h.Silent)
				continue
			}
			host := load(h)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", h.Name, bar(host.Utilization(policy.CPU), h.Report.Marks),
				host.Utilization(policy.CPU), host.Utilization(policy.Memory), host.Running, host.Band, flags(host.Flags, h.Silent != ""))
			moving = append(moving, h.Report.Operations...)
			for _, d := range h.Report.Domains {
				domains = append(domains, hostDomain{h.Name, d})
			}
		}
	})
	for _, o := range moving {
		fmt.Fprintf(w, "%s to %s  %s  %s\n", o.Move.Name, target(o), share(o), o.Phase)
	}
	slices.SortStableFunc(domains, func(a, b hostDomain) int {
		return cmp.Or(cmp.Compare(b.Demand.CPU, a.Demand.CPU), cmp.Compare(a.ID, b.ID))
	})
	if len(domains) > 0 && vms > 0 {
		printDomains(w, domains[:min(vms, len(domains))])
	}
}
