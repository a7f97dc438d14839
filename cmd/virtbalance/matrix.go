package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newMatrix(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "matrix [VM]",
		Short: "Say which hosts could run the domains of this host, load aside",
		Long: `matrix asks the other hosts, by the checks that come before a migration, whether
they could run the domains of this host: CPU, machine type, disks, networks,
versions and so on. Nothing is booked and nothing moves. Loads, cooldowns and
limits are left aside; "virtbalance explain VM" has them.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("matrix takes one domain, or none for all; got %q", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			domain := ""
			if len(args) == 1 {
				domain = args[0]
			}
			m, err := s.client().Matrix(cmd.Context(), domain)
			if err != nil {
				return err
			}
			return show(cmd, s, m, printMatrix)
		},
	}
}

func printMatrix(w io.Writer, m api.Matrix) {
	columns(w, func(w io.Writer) {
		fmt.Fprint(w, "VM")
		for _, h := range m.Hosts {
			fmt.Fprintf(w, "\t%s", h.Name)
		}
		fmt.Fprintln(w)
		for _, row := range m.Rows {
			fmt.Fprint(w, row.Name)
			for i := range m.Hosts {
				fmt.Fprintf(w, "\t%s", verdict(row, i))
			}
			fmt.Fprintln(w)
		}
	})
	notes := matrixNotes(m)
	if len(notes) > 0 {
		fmt.Fprintln(w)
		for _, n := range notes {
			fmt.Fprintln(w, n)
		}
	}
}

func verdict(row api.MatrixRow, i int) string {
	switch {
	case row.Stays != policy.OK:
		return "-"
	case i >= len(row.Cells):
		return "?"
	case row.Cells[i].Reason == policy.OK:
		return "yes"
	default:
		return row.Cells[i].Reason.String()
	}
}

// matrixNotes say what stands behind the words of the table, each thing once.
func matrixNotes(m api.Matrix) []string {
	var notes []string
	add := func(format string, args ...any) {
		if n := fmt.Sprintf(format, args...); !slices.Contains(notes, n) {
			notes = append(notes, n)
		}
	}
	for _, row := range m.Rows {
		if row.Stays != policy.OK {
			add("%s stays: %s.", row.Name, row.StaysText)
			continue
		}
		for i, c := range row.Cells {
			switch {
			case c.Reason == policy.OK || i >= len(m.Hosts):
			case c.Detail == "":
				add("%s: %s.", c.Reason, c.Text)
			default:
				add("%s to %s: %s: %s.", row.Name, m.Hosts[i].Name, c.Text, c.Detail)
			}
		}
	}
	return notes
}
