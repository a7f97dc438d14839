package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newHistory(s *settings) *cobra.Command {
	limit, here := 50, false
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the moves that the fleet has made, newest first",
		Long: `Shows the moves that the fleet has made, or tried to, newest first.

GAIN is by how much a move that was made for the load was predicted to lower the
higher of the two loads. SOON and LATE are what its audits have found, after
policy.audit_soon and policy.audit_late: by how much that load is lower than if
the domain had stayed, and whether it helped, with the domain's own wait for a CPU
counted in. A move that did not help doubles the domain's cooldown.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return usageError{fmt.Errorf("--limit %d is not within 1..1000", limit)}
			}
			if here {
				history, err := s.client().History(cmd.Context(), limit)
				if err != nil {
					return err
				}
				return show(cmd, s, history, printHistory)
			}
			fleet, err := askFleet(cmd, s, false, min(limit, historyOfEach))
			if err != nil {
				return err
			}
			return show(cmd, s, newest(fleet, limit), printHistory)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many, at most 1000")
	cmd.Flags().BoolVar(&here, "here", false, "only those away from this host")
	return cmd
}

// historyOfEach is how many ended operations one host tells of.
const historyOfEach = 200

// newest are the operations of all hosts that ended last.
func newest(fleet []api.HostReport, limit int) []api.Operation {
	all := []api.Operation{}
	for _, h := range fleet {
		all = append(all, h.Report.History...)
	}
	slices.SortStableFunc(all, func(a, b api.Operation) int { return b.Ended.Compare(a.Ended) })
	return all[:min(limit, len(all))]
}

func printHistory(w io.Writer, history []api.Operation) {
	if len(history) == 0 {
		fmt.Fprintln(w, "Nothing has been moved, or tried to be, yet.")
		return
	}
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "ENDED\tDOMAIN\tFROM\tTO\tRESULT\tTOOK\tPREDICTED\tDOWNTIME\tGAIN\tSOON\tLATE\tBECAUSE")
		for _, o := range history {
			from, to := cmp.Or(o.FromName, string(o.Move.From)), cmp.Or(o.ToName, string(o.Move.To))
			gain := "-"
			if o.Move.LoadDriven() {
				gain = o.Move.Gain().String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				o.Ended.Local().Format(time.DateTime), o.Move.Name, from, to, o.Result,
				seconds(o.DurationSeconds), seconds(o.Move.Duration.Seconds()), seconds(o.DowntimeSeconds),
				gain, found(o.Audits.Soon), found(o.Audits.Late), because(o))
		}
	})
}

// found is what an audit has found; nothing before it is made.
func found(a *policy.Audit) string {
	switch {
	case a == nil:
		return "-"
	case a.Effect == policy.UnknownEffect:
		return a.Effect.String()
	default:
		return a.Gain.String() + " " + a.Effect.String()
	}
}

// because is why a move was made, or why it did not come about.
func because(o api.Operation) string {
	switch {
	case o.Result == policy.Succeeded:
		return o.Move.Why.Text()
	case o.Detail != "":
		return o.Reason.Text() + ": " + o.Detail
	default:
		return o.Reason.Text()
	}
}
