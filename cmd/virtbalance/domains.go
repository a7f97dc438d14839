package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
)

// hostDomain is a domain and the host that runs it.
type hostDomain struct {
	Host string `json:"host"`
	api.Domain
}

func newDomains(s *settings) *cobra.Command {
	here := false
	cmd := &cobra.Command{
		Use:     "vms",
		Aliases: []string{"domains"},
		Short:   "Show the domains of the fleet, each with why it stays",
		RunE: func(cmd *cobra.Command, _ []string) error {
			fleet, err := askFleet(cmd, s, here, 0)
			if err != nil {
				return err
			}
			domains := []hostDomain{}
			for _, h := range fleet {
				for _, d := range h.Report.Domains {
					domains = append(domains, hostDomain{h.Name, d})
				}
				if n := h.Report.DomainsLeftOut; n > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "virtbalance: %s runs %s, using less CPU\n", h.Name, count(n, "more domain"))
				}
			}
			return show(cmd, s, domains, printDomains)
		},
	}
	cmd.Flags().BoolVar(&here, "here", false, "only those of this host")
	return cmd
}

// askFleet asks for the hosts that have given a report just now, or for this one
// alone, each with so many ended operations. It names the others.
func askFleet(cmd *cobra.Command, s *settings, here bool, history int) ([]api.HostReport, error) {
	fleet, err := s.client().Fleet(cmd.Context(), history)
	if err != nil {
		return nil, err
	}
	var answering []api.HostReport
	for _, h := range fleet.Hosts {
		switch {
		case here && !h.Self:
		case h.Silent != "":
			fmt.Fprintf(cmd.ErrOrStderr(), "virtbalance: nothing is shown of %s: %s\n", h.Name, h.Silent)
		case h.Report != nil:
			answering = append(answering, h)
		}
	}
	return answering, nil
}

func printDomains(w io.Writer, domains []hostDomain) {
	if len(domains) == 0 {
		fmt.Fprintln(w, "No domain is running.")
		return
	}
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "HOST\tDOMAIN\tCPU\tVCPUS\tWAIT\tMEMORY\tMOVES\tSTAYS BECAUSE")
		for _, d := range domains {
			cpu, wait := "-", "-"
			if d.Known {
				cpu, wait = d.Demand.CPU.String(), d.Wait.String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%d\t%s\n",
				d.Host, d.Name, cpu, d.VCPUs, wait, d.Demand.Memory, d.History.Count, d.StaysText)
		}
	})
}
