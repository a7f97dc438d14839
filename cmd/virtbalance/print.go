package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/virtbalance/virtbalance/policy"
)

// show prints v as JSON or YAML, or as table does it for people.
func show[T any](cmd *cobra.Command, s *settings, v T, table func(io.Writer, T)) error {
	if s.format == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	if s.format == "yaml" {
		return printYAML(cmd.OutOrStdout(), v)
	}
	table(cmd.OutOrStdout(), v)
	return nil
}

// printYAML writes what JSON would say, with the same names in the same order.
func printYAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(data, &n); err != nil { // JSON is YAML
		return err
	}
	inBlocks(&n)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return errors.Join(e.Encode(&n), e.Close())
}

// inBlocks takes JSON's braces and quotes from a document.
func inBlocks(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		inBlocks(child)
	}
}

// columns aligns what rows prints: one row a line, cells separated by tabs.
func columns(w io.Writer, rows func(io.Writer)) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(t)
	_ = t.Flush() // w tells its own errors
}

// bar draws a utilization with its receive and high marks.
func bar(u policy.Fraction, m policy.Marks) string {
	const width = 20
	cells := []rune(strings.Repeat("·", width))
	at := func(f policy.Fraction) int { return min(width-1, max(0, int(float64(f)*width))) }
	if u.Valid() {
		for i := range min(width, int(float64(u)*width+0.5)) {
			cells[i] = '█'
		}
	}
	for _, mark := range []policy.Fraction{m.Receive, m.High} {
		if i := at(mark); cells[i] == '·' {
			cells[i] = '|'
		}
	}
	return string(cells)
}

// count writes a number of things; what is one of them.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ago says how long ago something was.
func ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return lasting(d) + " ago"
}

// lasting formats a duration as people say it.
func lasting(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

// seconds formats a duration given in seconds, "-" when it is not known.
func seconds(s float64) string {
	switch {
	case s <= 0:
		return "-"
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	default:
		return fmt.Sprintf("%.1f s", s)
	}
}

// flags lists the flags of a host.
func flags(f policy.HostFlags, stale bool) string {
	var words []string
	for _, w := range []struct {
		flag policy.HostFlags
		word string
	}{
		{policy.Cordoned, "cordoned"},
		{policy.Draining, "draining"},
		{policy.Paused, "paused"},
		{policy.Blind, "blind"},
		{policy.Frozen, "FROZEN"},
	} {
		if f.Has(w.flag) {
			words = append(words, w.word)
		}
	}
	if stale {
		words = append(words, "stale")
	}
	return strings.Join(words, ",")
}
