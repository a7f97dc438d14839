package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newHistory(s *settings) *cobra.Command {
	limit := 50
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the moves that this host has made, newest first",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return usageError{fmt.Errorf("--limit %d is not within 1..1000", limit)}
			}
			history, err := s.client().History(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return show(cmd, s, history, printHistory)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many, at most 1000")
	return cmd
}

func printHistory(w io.Writer, history []api.Operation) {
	if len(history) == 0 {
		fmt.Fprintln(w, "This host has not tried to move anything yet.")
		return
	}
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "ENDED\tDOMAIN\tTO\tRESULT\tTOOK\tPREDICTED\tDOWNTIME\tBECAUSE")
		for _, o := range history {
			to := o.ToName
			if to == "" {
				to = string(o.Move.To)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				o.Ended.Local().Format(time.DateTime), o.Move.Name, to, o.Result,
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
