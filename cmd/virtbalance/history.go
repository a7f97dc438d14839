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
		fmt.Fprintln(w, "ENDED\tDOMAIN\tFROM\tTO\tRESULT\tTOOK\tPREDICTED\tDOWNTIME\tBECAUSE")
		for _, o := range history {
			from, to := cmp.Or(o.FromName, string(o.Move.From)), cmp.Or(o.ToName, string(o.Move.To))
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				o.Ended.Local().Format(time.DateTime), o.Move.Name, from, to, o.Result,
				seconds(o.DurationSeconds), seconds(o.Move.Duration.Seconds()), seconds(o.DowntimeSeconds),
				because(o))
		}
	})
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
