package main

import (
	"github.com/spf13/cobra"
)

func newSnapshot(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "snapshot",
		Short: "Write what this daemon knows, in JSON, for plan --fleet or a bug report",
		Long: `Writes every host as this daemon sees it and the domains of its own host; the
domains of other hosts are known to their daemons alone. docs/policy.md describes
the form.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			snapshot, err := s.client().Snapshot(cmd.Context())
			if err != nil {
				return err
			}
			return snapshot.Write(cmd.OutOrStdout())
		},
	}
}
