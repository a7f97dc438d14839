package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long a person who presses Tab waits at most.
const completionTimeout = 2 * time.Second

// completes gives a command the live names of the fleet for its arguments: one
// function for each, the last for all that follow.
func completes(s *settings, cmd *cobra.Command, arguments ...func(context.Context, *settings) []string) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		var fitting []string
		for _, name := range arguments[min(len(args), len(arguments)-1)](ctx, s) {
			if strings.HasPrefix(name, typed) {
				fitting = append(fitting, name)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// liveHosts are the names of the hosts; none where no daemon answers.
func liveHosts(ctx context.Context, s *settings) []string {
	hosts, err := s.client().Hosts(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	return names
}

// liveDomains are the names of the fleet's domains.
func liveDomains(ctx context.Context, s *settings) []string {
	fleet, err := s.client().Fleet(ctx, 0)
	if err != nil {
		return nil
	}
	var names []string
	for _, h := range fleet.Hosts {
		if h.Report == nil {
			continue
		}
		for _, d := range h.Report.Domains {
			names = append(names, d.Name)
		}
	}
	return names
}
