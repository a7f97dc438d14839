package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
)

// order is a command that sets or clears a flag of hosts.
type order struct {
	use, short, done string
	give             func(*api.Client, context.Context) error
}

func newCordon(s *settings) *cobra.Command {
	return newOrder(s, order{
		use: "cordon", short: "Have hosts take no domain in; their own stay",
		done: "takes no domain in; virtbalance uncordon ends this",
		give: func(c *api.Client, ctx context.Context) error { return c.SetCordoned(ctx, true) },
	})
}

func newUncordon(s *settings) *cobra.Command {
	return newOrder(s, order{
		use: "uncordon", short: "Let hosts take domains in again",
		done: "is not cordoned any more",
		give: func(c *api.Client, ctx context.Context) error { return c.SetCordoned(ctx, false) },
	})
}

func newUndrain(s *settings) *cobra.Command {
	return newOrder(s, order{
		use: "undrain", short: "Let hosts keep their domains, and take others in, again",
		done: "is not drained any more; what has left it does not come back by itself",
		give: func(c *api.Client, ctx context.Context) error { return c.SetDraining(ctx, false) },
	})
}

func newOrder(s *settings, o order) *cobra.Command {
	return &cobra.Command{
		Use:   o.use + " HOSTS",
		Short: o.short,
		Args:  someHosts,
		RunE:  func(cmd *cobra.Command, args []string) error { return o.carryOut(cmd, s, args) },
	}
}

// carryOut gives the order to every host that the arguments name.
func (o order) carryOut(cmd *cobra.Command, s *settings, args []string) error {
	hosts, err := s.hosts(cmd.Context(), args)
	if err != nil {
		return err
	}
	var done []string
	var failed failures
	for _, host := range hosts {
		if err := o.give(s.client().At(host), cmd.Context()); err != nil {
			failed.add(host, err)
			continue
		}
		done = append(done, host)
	}
	if len(done) > 0 {
		if err := show(cmd, s, map[string][]string{o.use: done}, func(w io.Writer, _ map[string][]string) {
			fmt.Fprintf(w, "%s: %s.\n", fold(done), o.done)
		}); err != nil {
			return err
		}
	}
	return failed.err()
}
