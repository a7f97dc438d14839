package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// applyOptions are the flags of apply, and of plan --apply.
type applyOptions struct {
	yes, noWait bool
	every       time.Duration
}

func newApply(s *settings) *cobra.Command {
	o := applyOptions{every: time.Second}
	cmd := &cobra.Command{
		Use:   "apply [VM]",
		Short: "Approve what the hosts of the fleet propose, or one move of it",
		Long: `Shows the moves that hosts would make if they were allowed to (mode dry-run or
approve), and has them made when a person has said yes. A proposal that is not
made any more by then, because what it rested on has changed, is not carried out.

Exit code 4: a move is refused, or has failed.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("apply takes one domain at most, got %q", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return apply(cmd, s, strings.Join(args, ""), o)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *applyOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "give the orders and do not watch")
	cmd.Flags().DurationVar(&o.every, "every", o.every, "how often to look, while watching")
}

// proposal is a move that its host does not make by itself.
type proposal struct {
	Host string      `json:"host"`
	Move policy.Move `json:"move"`
	To   string      `json:"to_name"`
	Hold string      `json:"hold_text"`
}

func apply(cmd *cobra.Command, s *settings, domain string, o applyOptions) error {
	proposals, err := proposed(cmd, s, domain)
	if err != nil {
		return err
	}
	if len(proposals) == 0 {
		if domain != "" {
			return incompleteError{fmt.Errorf("no host proposes to move %s; virtbalance explain %[1]s says why, virtbalance move %[1]s HOST moves it all the same", domain)}
		}
		return show(cmd, s, []proposal{}, func(w io.Writer, _ []proposal) { fmt.Fprintln(w, "Nothing is proposed.") })
	}
	if s.format == "table" {
		printProposals(cmd.OutOrStdout(), proposals)
	}
	question := "Make these moves?"
	if len(proposals) == 1 {
		question = "Make this move?"
	}
	if err := confirm(cmd, o.yes, question); err != nil {
		return err
	}
	var failed []error
	for _, p := range proposals {
		if cmd.Context().Err() != nil {
			failed = append(failed, incompleteError{fmt.Errorf("%s: not begun after Ctrl-C", p.Move.Name)})
			continue
		}
		client := s.client().At(p.Host)
		op, err := client.Move(cmd.Context(), api.MoveOrder{Domain: string(p.Move.Domain), To: string(p.Move.To), Proposed: true})
		if err == nil {
			err = follow(cmd, s, client, op, o.noWait, o.every)
		}
		if err = refused(err); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.Move.Name, err))
		}
	}
	return errors.Join(failed...)
}

// proposed asks every host for what it would do and does not.
func proposed(cmd *cobra.Command, s *settings, domain string) ([]proposal, error) {
	hosts, err := s.client().Hosts(cmd.Context())
	if err != nil {
		return nil, err
	}
	var all []proposal
	for _, h := range hosts {
		plan, err := s.client().At(string(h.ID)).Plan(cmd.Context())
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "virtbalance: %s does not say what it proposes: %v\n", h.Name, err)
			continue
		}
		if plan.Hold != policy.DryRun && plan.Hold != policy.NeedsApproval {
			continue
		}
		for _, m := range plan.Plan {
			if domain == "" || m.Name == domain || string(m.Domain) == domain {
				all = append(all, proposal{h.Name, m, plan.HostNames[m.To], plan.HoldText})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b proposal) int { return strings.Compare(a.Host, b.Host) })
	return all, nil
}

func printProposals(w io.Writer, proposals []proposal) {
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "DOMAIN\tFROM\tTO\tFROM LOAD\tTO LOAD\tIN ABOUT\tBECAUSE")
		for _, p := range proposals {
			m := p.Move
			fmt.Fprintf(w, "%s\t%s\t%s\t%s -> %s\t%s -> %s\t%s\t%s\n", m.Name, p.Host, p.To,
				m.FromBefore, m.FromAfter, m.ToBefore, m.ToAfter, lasting(m.Duration), m.Why.Text())
		}
	})
}
