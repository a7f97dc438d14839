package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newPlan(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what would move now and why, and why everything else would not",
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := s.client().Plan(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, s, plan, printPlan)
		},
	}
}

func printPlan(w io.Writer, p api.Plan) {
	host := func(id policy.HostID) string {
		if name := p.HostNames[id]; name != "" {
			return name
		}
		return string(id)
	}
	switch {
	case len(p.Plan) == 0:
		fmt.Fprintf(w, "Nothing moves: %s.\n", p.HoldText)
	case p.Hold != policy.OK:
		fmt.Fprintf(w, "Proposed, and not made: %s.\n", p.HoldText)
	default:
		fmt.Fprintln(w, "Moves now:")
	}
	columns(w, func(w io.Writer) {
		for _, m := range p.Plan {
			fmt.Fprintf(w, "  %s\t%s -> %s\t%s -> %s\t%s -> %s\tin about %s\n", m.Name, host(m.From), host(m.To),
				m.FromBefore, m.FromAfter, m.ToBefore, m.ToAfter, seconds(m.Duration.Seconds()))
			fmt.Fprintf(w, "  \tbecause %s\n", m.Why.Text())
		}
	})
	if len(p.Verdicts) == 0 {
		return
	}
	fmt.Fprintln(w, "\nStays:")
	columns(w, func(w io.Writer) {
		for _, v := range p.Verdicts {
			if v.Host == "" {
				fmt.Fprintf(w, "  %s\t\t%s\n", v.Name, v.Reason.Text())
			} else {
				fmt.Fprintf(w, "  %s\tnot to %s\t%s\n", v.Name, host(v.Host), v.Reason.Text())
			}
		}
	})
}
