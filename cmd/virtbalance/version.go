package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

// versions are those of this program and, by version, of the hosts' daemons.
type versions struct {
	Client string              `json:"client"`
	Hosts  map[string][]string `json:"hosts,omitempty"`
}

func newVersion(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program and those of the fleet's daemons",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: version}
			// Without a daemon the version is still worth knowing.
			if fleet, err := s.client().Fleet(cmd.Context(), 0); err == nil {
				v.Hosts = map[string][]string{}
				for _, h := range fleet.Hosts {
					known := "unknown"
					if h.Report != nil {
						known = h.Report.Version
					}
					v.Hosts[known] = append(v.Hosts[known], h.Name)
				}
			}
			return show(cmd, s, v, func(w io.Writer, v versions) {
				fmt.Fprintf(w, "virtbalance %s\n", v.Client)
				for _, known := range slices.Sorted(maps.Keys(v.Hosts)) {
					fmt.Fprintf(w, "%s: virtbalanced %s\n", fold(v.Hosts[known]), known)
				}
			})
		},
	}
}
