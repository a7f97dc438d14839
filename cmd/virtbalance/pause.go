package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
)

// newPause makes the command pause, or resume.
func newPause(s *settings, pause bool) *cobra.Command {
	give := func(c *api.Client, ctx context.Context) error { return c.SetPaused(ctx, pause) }
	of := order{use: "resume", give: give, done: "starts moves again"}
	short, done := "Let this host, or others, start moves again", "This host starts moves again."
	if pause {
		of = order{use: "pause", give: give, done: "starts no new move and takes none in; virtbalance resume ends this"}
		short = "Have this host, or others, start no new move; running ones go on"
		done = "This host starts no new move and takes none in; running ones go on. virtbalance resume ends this."
	}
	return &cobra.Command{
		Use:   of.use + " [HOSTS]",
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return of.carryOut(cmd, s, args)
			}
			if err := s.client().SetPaused(cmd.Context(), pause); err != nil {
				return err
			}
			return show(cmd, s, map[string]bool{"paused": pause}, func(w io.Writer, _ map[string]bool) { fmt.Fprintln(w, done) })
		},
	}
}
