package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
)

func newDomains(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "vms",
		Aliases: []string{"domains"},
		Short:   "Show the domains of this host, each with why it stays",
		RunE: func(cmd *cobra.Command, _ []string) error {
			domains, err := s.client().Domains(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, s, domains, printDomains)
		},
	}
}

func printDomains(w io.Writer, domains []api.Domain) {
	if len(domains) == 0 {
		fmt.Fprintln(w, "This host runs no domain.")
		return
	}
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "DOMAIN\tCPU\tVCPUS\tWAIT\tMEMORY\tMOVES\tSTAYS BECAUSE")
		for _, d := range domains {
			cpu, wait := "-", "-"
			if d.Known {
				cpu, wait = d.Demand.CPU.String(), d.Wait.String()
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%d\t%s\n",
				d.Name, cpu, d.VCPUs, wait, d.Demand.Memory, d.History.Count, d.StaysText)
		}
	})
}
