package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newHosts(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "hosts [HOSTS]",
		Short: "Show every host of the fleet, or some, as this daemon sees them",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			client := s.client()
			hosts, err := client.Hosts(cmd.Context())
			if err != nil {
				return err
			}
			hosts, err = withNames(cmd.Context(), s, args, hosts, func(h api.Host) (string, policy.HostID) { return h.Name, h.ID })
			if err != nil {
				return err
			}
			status, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, s, hosts, func(w io.Writer, hosts []api.Host) {
				printHosts(w, hosts, status.Marks)
				if len(args) == 0 {
					printMissing(w, status.Fleet.Missing)
				}
			})
		},
	}
}

func printHosts(w io.Writer, hosts []api.Host, marks policy.Marks) {
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "HOST\tCPU\t\tMEMORY\tPROMISED\tDOMAINS\tIN/OUT\tBAND\tHEARD\tFLAGS")
		for _, h := range hosts {
			name := h.Name
			if h.Self {
				name += " *"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d/%d\t%s\t%s\t%s\n",
				name, bar(h.Utilization(policy.CPU), marks), h.Utilization(policy.CPU), h.Utilization(policy.Memory),
				h.Promised.CPU, h.Running, h.Inbound, h.Outbound, h.Band,
				ago(time.Duration(h.AgeSeconds*float64(time.Second))), flags(h.Flags, h.Stale))
		}
	})
}
