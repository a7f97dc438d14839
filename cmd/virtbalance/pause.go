package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// newPause makes the command pause, or resume.
func newPause(s *settings, pause bool) *cobra.Command {
	use, short, done := "resume", "Let this host start moves again", "This host starts moves again."
	if pause {
		use, short = "pause", "Have this host start no new move; running ones go on"
		done = "This host starts no new move and takes none in; running ones go on. virtbalance resume ends this."
	}
	return &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.client().SetPaused(cmd.Context(), pause); err != nil {
				return err
			}
			return show(cmd, s, map[string]bool{"paused": pause}, func(w io.Writer, _ map[string]bool) { fmt.Fprintln(w, done) })
		},
	}
}
