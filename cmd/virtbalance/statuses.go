package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// statusOf shows other hosts. Those that do not answer are an error beside what
// the rest says.
func statusOf(cmd *cobra.Command, s *settings, args []string) error {
	fleet, err := s.client().Fleet(cmd.Context(), 0)
	if err != nil {
		return err
	}
	hosts, err := withNames(cmd.Context(), s, args, fleet.Hosts, func(h api.HostReport) (string, policy.HostID) { return h.Name, h.ID })
	if err != nil {
		return err
	}
	statuses := []api.Status{}
	var silent failures
	for _, h := range hosts {
		if h.Silent != "" || h.Report == nil {
			silent.add(h.Name, errors.New(h.Silent))
			continue
		}
		statuses = append(statuses, h.Report.Status)
	}
	err = show(cmd, s, statuses, func(w io.Writer, statuses []api.Status) {
		if len(statuses) != 1 {
			printStatuses(w, statuses)
			return
		}
		var off []string
		for _, h := range fleet.Hosts {
			if slices.Contains(statuses[0].Idle, h.ID) {
				off = append(off, h.Name)
			}
		}
		printStatus(w, statuses[0], off)
	})
	if err != nil {
		return err
	}
	return silent.err()
}

// printStatuses shows several hosts in a table, those together of which it says
// the same; their loads are in that of hosts.
func printStatuses(w io.Writer, statuses []api.Status) {
	var rows folded
	for _, s := range statuses {
		why := "-"
		if s.Hold != policy.OK {
			why = s.HoldText
		}
		rows.add(s.Host.Name, fmt.Sprintf("%s\t%s\t%d/%d\t%s\t%s", s.State.Band, modeOf(s), s.Fleet.Fresh, s.Fleet.Known, s.Version, why))
	}
	if len(rows.texts) > 0 {
		columns(w, func(w io.Writer) {
			fmt.Fprintln(w, "HOSTS\tBAND\tMODE\tFRESH\tDAEMON\tSTARTS NOTHING BECAUSE")
			rows.each(func(hosts, row string) { fmt.Fprintf(w, "%s\t%s\n", hosts, row) })
		})
	}
	for _, s := range statuses {
		printUnderway(w, s)
	}
}

// modeOf is the mode that a host is in, with what ends it at times.
func modeOf(s api.Status) string {
	mode := s.Mode.String()
	if s.Paused {
		mode += ", paused"
	}
	if s.Closed != nil {
		mode += ", outside its time windows" + until(s.Closed.Opens)
	}
	return mode
}
