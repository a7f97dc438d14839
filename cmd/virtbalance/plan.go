package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newPlan(s *settings) *cobra.Command {
	o := fleetOptions{strategy: strategies[0]}
	applies, ao := false, applyOptions{every: time.Second}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would move now and why, and why everything else would not",
		Long: `Without --fleet: what the daemon on this host would move now.

With --fleet: what would put a whole fleet right, as far as it is known from a
file: a snapshot in JSON (virtbalance snapshot writes one), or two tables,
nodes.csv,vms.csv. No daemon is asked, and nothing is moved.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if applies && o.fleet != "" {
				return usageError{errors.New("--apply goes without --fleet: only daemons that are asked can move anything")}
			}
			if o.fleet != "" {
				plan, err := planFleet(o)
				if err != nil {
					return err
				}
				return show(cmd, s, plan, printFleetPlan)
			}
			if applies {
				return apply(cmd, s, "", ao)
			}
			for _, name := range []string{"strategy", "max-moves"} {
				if cmd.Flags().Changed(name) {
					return usageError{fmt.Errorf("--%s goes with --fleet: the daemon has its own", name)}
				}
			}
			plan, err := s.client().Plan(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, s, plan, printPlan)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&applies, "apply", false, "have what the fleet's hosts propose made, as virtbalance apply does")
	ao.flags(cmd)
	flags.StringVar(&o.fleet, "fleet", "", "plan for the fleet in this `file`")
	flags.StringVar(&o.strategy, "strategy", o.strategy, "for a fleet: "+strings.Join(strategies, ", "))
	flags.IntVar(&o.maxMoves, "max-moves", 0, "for a fleet: at most so many moves; 0 is no limit")
	return cmd
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
			if m.Back != nil {
				fmt.Fprintf(w, "  \t%s has no room as it is: it is asked to give something smaller away, of which %s would take back at most %s and %s\n",
					host(m.To), host(m.From), m.Back.CPU, m.Back.Memory)
			}
		}
	})
	printShadow(w, p.Shadow, host)
	printShortage(w, p.Shortage)
	printRoom(w, p.Room.Headroom, p.Room.HardestName)
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

// printShadow says what the shadow policy would do, if there is one.
func printShadow(w io.Writer, s *api.Shadow, host func(policy.HostID) string) {
	switch {
	case s == nil:
	case s.Disagreement == policy.Agreed:
		fmt.Fprintln(w, "The shadow policy agrees.")
	case len(s.Plan) == 0:
		fmt.Fprintf(w, "The shadow policy would move nothing: %s.\n", s.HoldText)
	default:
		fmt.Fprintf(w, "The shadow policy would move %s to %s: %s.\n", s.Plan[0].Name, host(s.Plan[0].To), s.Plan[0].Why.Text())
	}
}
