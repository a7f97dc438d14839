package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newMove(s *settings) *cobra.Command {
	var o struct {
		force, yes, dryRun, noWait bool
		every                      time.Duration
	}
	cmd := &cobra.Command{
		Use:   "move VM HOST",
		Short: "Move one domain to one host",
		Long: `The policy and the target are asked first whether the move can be made; then it
takes the ordinary way: the target promises room, the journal is written, and what
became of it is established on both hosts. Whether the move is needed or comes soon
after another is not asked.

Ctrl-C asks whether the migration is to be cancelled: yes cancels it, no goes on
watching, and a second Ctrl-C leaves it to itself. Exit code 4: the move is refused,
or has failed, or is not watched to its end.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("move takes a domain and a host, got %q", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := s.client().Explain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			source := e.On // which has just said itself that it runs the domain
			client := s.client().At(source)
			order := api.MoveOrder{Domain: args[0], To: args[1], ForceLoad: o.force, Check: true}
			ahead, err := client.Move(cmd.Context(), order)
			if err != nil {
				return refused(err)
			}
			if s.format == "table" || o.dryRun {
				if err := show(cmd, s, ahead, func(w io.Writer, op api.Operation) { printAhead(w, source, op) }); err != nil || o.dryRun {
					return err
				}
			}
			if err := confirm(cmd, o.yes, "Move it?"); err != nil {
				return err
			}
			order.Check = false
			op, err := client.Move(cmd.Context(), order)
			if err != nil {
				return refused(err)
			}
			return follow(cmd, s, client, op, o.noWait, o.every)
		},
	}
	cmd.Flags().BoolVar(&o.force, "force-load", false, "fill the target above its receive mark, up to the critical one; never beyond its memory")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only show what the move would do")
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "give the order and do not watch")
	cmd.Flags().DurationVar(&o.every, "every", time.Second, "how often to look, while watching")
	return cmd
}

// refused tells the balancer's rules from faults.
func refused(err error) error {
	var told *api.Error
	if errors.As(err, &told) && told.Reason != policy.OK {
		return incompleteError{fmt.Errorf("refused: %s", told.Message)}
	}
	return err
}

// printAhead says what a move would do.
func printAhead(w io.Writer, from string, o api.Operation) {
	m := o.Move
	fmt.Fprintf(w, "%s: %s to %s, %s of memory in about %s.\n", m.Name, from, target(o), m.Load.Memory, lasting(m.Duration))
	columns(w, func(w io.Writer) {
		fmt.Fprintf(w, "  %s\t%s -> %s\n", from, m.FromBefore, m.FromAfter)
		fmt.Fprintf(w, "  %s\t%s -> %s\n", target(o), m.ToBefore, m.ToAfter)
	})
}

// follow watches one operation to its end, and says what that was.
func follow(cmd *cobra.Command, s *settings, client *api.Client, op api.Operation, noWait bool, every time.Duration) error {
	if noWait {
		return show(cmd, s, op, func(w io.Writer, o api.Operation) {
			fmt.Fprintf(w, "%s moves to %s; virtbalance status and history tell how far it is.\n", o.Move.Name, target(o))
		})
	}
	out := newProgress(cmd.ErrOrStderr(), s)
	ticker := time.NewTicker(max(every, 10*time.Millisecond))
	defer ticker.Stop()
	ctx := cmd.Context()
	for {
		ended, err := lookAt(ctx, client, op.ID, out)
		if err == nil && ended != nil {
			out.clear()
			return result(cmd, s, *ended)
		}
		if err != nil && ctx.Err() == nil {
			out.live("daemon", []string{fmt.Sprintf("the host's daemon does not answer; waiting for it (%v)", err)})
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		out.clear()
		// Ctrl-C has ended ctx; what follows must not end with it.
		ctx = context.WithoutCancel(cmd.Context()) //nolint:fatcontext // made anew from the first
		switch err := confirm(cmd, false, fmt.Sprintf("Cancel the migration of %s? No watches it on; Ctrl-C leaves it.", op.Move.Name)); {
		case err == nil:
			if err := client.Cancel(ctx, op.ID); err != nil {
				return err
			}
			out.line("Cancelling the migration of " + op.Move.Name + ".")
		case errors.Is(err, errDeclined):
			var stop context.CancelFunc
			ctx, stop = untilInterrupted(ctx)
			defer stop()
		default:
			return incompleteError{fmt.Errorf("%s goes on moving without being watched; virtbalance history tells how it ended", op.Move.Name)}
		}
	}
}

// lookAt draws how far an operation is; when it has ended it is returned.
func lookAt(ctx context.Context, client *api.Client, id policy.OpID, out *progress) (*api.Operation, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range status.Operations {
		if o.ID == id {
			lines := []string{fmt.Sprintf("%s to %s  %s  %s", o.Move.Name, target(o), share(o), o.Phase)}
			if o.Alarm != policy.OK {
				lines = append(lines, "A PERSON MUST LOOK: "+o.Alarm.Text())
			}
			out.live("move", lines)
			return nil, nil //nolint:nilnil // it has not ended
		}
	}
	history, err := client.History(ctx, 50)
	if err != nil {
		return nil, err
	}
	for _, o := range history {
		if o.ID == id {
			return &o, nil
		}
	}
	return nil, nil //nolint:nilnil // the daemon is just taking it up
}

// result says how an operation has ended.
func result(cmd *cobra.Command, s *settings, o api.Operation) error {
	err := show(cmd, s, o, func(w io.Writer, o api.Operation) {
		if o.Result == policy.Succeeded {
			fmt.Fprintf(w, "%s runs on %s: moved in %s, downtime %s.\n", o.Move.Name, target(o), seconds(o.DurationSeconds), seconds(o.DowntimeSeconds))
		}
	})
	if err == nil && o.Result != policy.Succeeded {
		return incompleteError{fmt.Errorf("%s was not moved to %s (%s): %s", o.Move.Name, target(o), o.Result, because(o))}
	}
	return err
}
