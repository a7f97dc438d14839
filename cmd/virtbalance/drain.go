package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newDrain(s *settings) *cobra.Command {
	var o struct {
		yes, dryRun, noWait bool
		every, patience     time.Duration
	}
	cmd := &cobra.Command{
		Use:   "drain HOSTS",
		Short: "Empty hosts: move every domain away that can move, and take none in",
		Long: `First the targets are asked, and it is shown which domains will stay and why,
and which will move. Then, when a person has said yes, the domains are moved, to
whatever hosts have room, within the limits and marks of every day: no target is
filled above its receive mark, and no more migrations run at once than are
allowed. Domains that cannot move are left running.

The hosts remember that they are being drained. The order outlives this command,
the daemons and the hosts: given again, the command goes on watching; undrain
ends it. Drains are carried out in every mode, dry-run too.

The command ends when nothing more can move. Where hosts would take a domain if
they were less busy, it waits for that first, for as long as --patience says.

Exit code 4: some domains stay on the hosts.`,
		Args: someHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			hosts, err := s.hosts(cmd.Context(), args)
			if err != nil {
				return err
			}
			ahead, err := lookAhead(cmd, s, hosts)
			if err != nil {
				return err
			}
			if s.format == "table" || o.dryRun {
				if err := show(cmd, s, ahead, printDrains); err != nil || o.dryRun {
					return err
				}
			}
			if err := orderDrain(cmd, s, ahead, o.yes); err != nil || o.noWait {
				return err
			}
			return watchDrains(cmd, s, hosts, o.every, o.patience)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only show what would stay and what would move")
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "give the order and do not watch")
	cmd.Flags().DurationVar(&o.every, "every", time.Second, "how often to look, while watching")
	cmd.Flags().DurationVar(&o.patience, "patience", 30*time.Second, "how long to wait for room, where hosts are merely too busy")
	return cmd
}

// lookAhead asks every host what draining all of them would do.
func lookAhead(cmd *cobra.Command, s *settings, hosts []string) ([]api.Drain, error) {
	var ahead []api.Drain
	var failed failures
	for _, host := range hosts {
		d, err := s.client().At(host).Drain(cmd.Context(), api.DrainQuery{Check: true, Without: hosts})
		if err != nil {
			failed.add(host, err)
			continue
		}
		ahead = append(ahead, d)
	}
	return ahead, failed.err()
}

// orderDrain has the hosts drained that are not yet.
func orderDrain(cmd *cobra.Command, s *settings, ahead []api.Drain, yes bool) error {
	var fresh []string
	for _, d := range ahead {
		if !d.Draining {
			fresh = append(fresh, d.Name)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := confirm(cmd, yes, fmt.Sprintf("Drain %s?", fold(fresh))); err != nil {
		return err
	}
	// All first take nothing in any more, and only then give away.
	var failed failures
	for _, host := range fresh {
		if err := s.client().At(host).SetDraining(cmd.Context(), true); err != nil {
			failed.add(host, err)
		}
	}
	return failed.err()
}

func printDrains(w io.Writer, drains []api.Drain) {
	for _, d := range drains {
		if d.Empty() {
			fmt.Fprintf(w, "%s runs no domain.\n", d.Name)
			continue
		}
		if len(d.Stays) > 0 {
			fmt.Fprintf(w, "Stay on %s, running:\n", d.Name)
			printStays(w, d.Stays)
		}
		if len(d.Moves)+len(d.Moving) > 0 {
			fmt.Fprintf(w, "Move away from %s:\n", d.Name)
		}
		columns(w, func(w io.Writer) {
			for _, o := range d.Moving {
				fmt.Fprintf(w, "  %s\tto %s\tmoves now\n", o.Move.Name, target(o))
			}
			for _, m := range d.Moves {
				fmt.Fprintf(w, "  %s\t%s\tin about %s\n", m.Name, m.Load.Memory, lasting(m.Duration))
			}
		})
		if d.Hold != policy.OK {
			fmt.Fprintf(w, "Nothing starts on %s at the moment: %s.\n", d.Name, d.HoldText)
		}
	}
}

// printStays lists domains that stay; where each host refuses for the same
// reason, that is said once.
func printStays(w io.Writer, stays []api.Stay) {
	columns(w, func(w io.Writer) {
		for _, stay := range stays {
			fmt.Fprintf(w, "  %s\t%s\n", stay.Name, stay.Text)
			var answers folded
			for _, h := range stay.Hosts {
				answers.add(h.Name, h.Text)
			}
			answers.each(func(hosts, text string) { fmt.Fprintf(w, "  \t  %s: %s\n", hosts, text) })
		}
	})
}

// target names where a move goes.
func target(o api.Operation) string {
	if o.ToName != "" {
		return o.ToName
	}
	return string(o.Move.To)
}

// watchDrains follows the drains until each host is empty or nothing more can
// move. Daemons that do not answer are waited for: they may be restarting.
func watchDrains(cmd *cobra.Command, s *settings, hosts []string, every, patience time.Duration) error {
	ctx := cmd.Context()
	out := newProgress(cmd.OutOrStdout(), s)
	if s.format != "table" {
		out = newProgress(cmd.ErrOrStderr(), s)
	}
	watches := make([]drainWatch, len(hosts))
	for i, host := range hosts {
		watches[i] = drainWatch{host: host, client: s.client().At(host), out: out, patience: patience}
	}
	ticker := time.NewTicker(max(every, 10*time.Millisecond))
	defer ticker.Stop()
	for {
		open := 0
		for i := range watches {
			if err := watches[i].look(ctx); err != nil {
				return err
			}
			if !watches[i].done {
				open++
			}
		}
		if open == 0 {
			out.clear()
			return drained(cmd, s, watches)
		}
		select {
		case <-ctx.Done():
			out.clear()
			return fmt.Errorf("the drain goes on without being watched: virtbalance drain %s watches it again, virtbalance undrain %[1]s ends it", fold(hosts))
		case <-ticker.C:
		}
	}
}

// drained says how it ended.
func drained(cmd *cobra.Command, s *settings, watches []drainWatch) error {
	var ends []api.Drain
	left := 0
	for _, w := range watches {
		ends = append(ends, w.last)
		left += len(w.last.Stays)
	}
	err := show(cmd, s, ends, func(w io.Writer, ends []api.Drain) {
		var empty []string
		for _, d := range ends {
			if d.Empty() {
				empty = append(empty, d.Name)
				continue
			}
			fmt.Fprintf(w, "Left on %s, running:\n", d.Name)
			printStays(w, d.Stays)
		}
		if len(empty) > 0 {
			fmt.Fprintf(w, "%s: empty. virtbalance undrain %[1]s ends the drain.\n", fold(empty))
		}
	})
	if err == nil && left > 0 {
		err = incompleteError{errors.New("not all domains can leave; the drain stays in force, and goes on should that change")}
	}
	return err
}
