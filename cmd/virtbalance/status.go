package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newStatus(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "status [HOSTS]",
		Short: "Show the daemon, its host and what it is doing; or those of other hosts",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return statusOf(cmd, s, args)
			}
			status, err := s.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			var off []string
			if len(status.Idle) > 0 && s.format == "table" {
				if off, err = hostNames(cmd.Context(), s, status.Idle); err != nil {
					return err
				}
			}
			return show(cmd, s, status, func(w io.Writer, status api.Status) { printStatus(w, status, off) })
		},
	}
}

// hostNames are the names of hosts, as far as the daemon knows them.
func hostNames(ctx context.Context, s *settings, ids []policy.HostID) ([]string, error) {
	hosts, err := s.client().Hosts(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range hosts {
		if slices.Contains(ids, h.ID) {
			names = append(names, h.Name)
		}
	}
	return names, nil
}

// printStatus prints the status with the names of the hosts that are not needed.
func printStatus(w io.Writer, s api.Status, off []string) {
	used := policy.Host{HostFacts: s.Host, HostState: s.State}
	fmt.Fprintf(w, "%s  %s  band %s\n", s.Host.Name, bar(used.Utilization(policy.CPU), s.Marks), s.State.Band)
	columns(w, func(w io.Writer) {
		if s.State.Flags.Has(policy.Blind) {
			fmt.Fprintf(w, "  cpu\tnot known of %s: it takes two samples, and libvirt\n", s.Host.Capacity.CPU)
		} else {
			fmt.Fprintf(w, "  cpu\t%s of %s%s\n", s.State.Used.Share(policy.CPU, s.Host.Capacity), s.Host.Capacity.CPU, heading(used))
		}
		fmt.Fprintf(w, "  waiting\tsomething waited for a CPU %s of the time\n", s.State.Pressure)
		fmt.Fprintf(w, "  memory\t%s of %s\n", used.Utilization(policy.Memory), s.Host.Capacity.Memory)
		fmt.Fprintf(w, "  marks\treceive below %s, relieve above %s until below %s\n", s.Marks.Receive, s.Marks.High, s.Marks.Stop)
		fmt.Fprintf(w, "  domains\t%d running\n", s.State.Running)
		fmt.Fprintf(w, "  fleet\t%d of %s fresh\n", s.Fleet.Fresh, count(s.Fleet.Known, "host"))
		fmt.Fprintf(w, "  mode\t%s\n", modeOf(s))
		fmt.Fprintf(w, "  strategy\t%s\n", s.Strategy)
		if !s.Sampled.IsZero() {
			fmt.Fprintf(w, "  sampled\t%s\n", ago(time.Since(s.Sampled)))
		}
		fmt.Fprintf(w, "  daemon\t%s, up %s\n", s.Version, lasting(time.Since(s.Started)))
	})
	if s.Hold != policy.OK {
		fmt.Fprintf(w, "Starts nothing: %s.\n", s.HoldText)
	}
	printMissing(w, s.Fleet.Missing)
	printShortage(w, s.Shortage)
	if len(off) > 0 {
		fmt.Fprintf(w, "Could be powered off (runs nothing, not held in reserve): %s.\n", fold(off))
	}
	printRoom(w, s.Room.Headroom, s.Room.HardestName)
	printUnderway(w, s)
}

// printUnderway tells of the moves that are under way, and of what a person must
// look at.
func printUnderway(w io.Writer, s api.Status) {
	for _, o := range s.Operations {
		printOperation(w, o)
	}
	for _, a := range s.Alarms {
		from := a.FromName
		if from == "" {
			from = string(a.From)
		}
		fmt.Fprintf(w, "A person must look at %s, which %s was to move to %s: %s.\n", a.Name, from, s.Host.Name, a.Reason.Text())
	}
}

// printMissing names the hosts that are gone; when each was seen, of a few.
func printMissing(w io.Writer, missing []policy.MissingHost) {
	if len(missing) == 0 {
		return
	}
	var names, seen []string
	for _, h := range missing {
		name := cmp.Or(h.Name, string(h.ID))
		names = append(names, name)
		seen = append(seen, fmt.Sprintf("%s (last seen %s)", name, ago(time.Since(h.LastSeen))))
	}
	if len(missing) > 3 {
		seen = []string{fold(names)}
	}
	fmt.Fprintf(w, "Missing: %s.\n", strings.Join(seen, ", "))
}

// until names the end of a wait.
func until(t time.Time) string {
	if t.IsZero() {
		return ", and not within them for a year"
	}
	return " until " + t.Format("Mon 2006-01-02 15:04 -07:00")
}

// heading says what the host forecasts for itself, and has promised, where that
// is more than it uses.
func heading(h policy.Host) string {
	if ahead := h.Utilization(policy.CPU); ahead > h.Used.Share(policy.CPU, h.Capacity)+0.01 {
		return fmt.Sprintf(", with forecast and promises %s", ahead)
	}
	return ""
}

// printOperation says in a line how far a move has come.
func printOperation(w io.Writer, o api.Operation) {
	to := o.ToName
	if to == "" {
		to = string(o.Move.To)
	}
	fmt.Fprintf(w, "Moving %s to %s: %s", o.Move.Name, to, o.Phase)
	if o.Done > 0 {
		fmt.Fprintf(w, ", %s copied", o.Done)
	}
	fmt.Fprintf(w, ", for %s\n", lasting(time.Since(o.Opened)))
	if o.Alarm != policy.OK {
		fmt.Fprintf(w, "  A PERSON MUST LOOK: %s.\n", o.Alarm.Text())
	}
}
