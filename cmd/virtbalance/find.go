package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newFind(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "find cpu=4,mem=16G[,label=NAME]",
		Short: "Say which hosts could take a new domain, and how many of its kind",
		Long: `Judged is by the rule by which hosts admit domains that are moved: no host would
be filled above its receive mark or its memory. cpu is what the domain will use,
in CPUs; mem what it may grow to, in bytes or with K, M, G or T for binary multiples;
label a label that the host must have, as often as there are such.

Networks and storage are known to each host alone: its pre-flight checks look at
them when a domain comes (virtbalance move --dry-run).`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("find takes one description such as cpu=4,mem=16G, got %q", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := parseNeed(args[0])
			if err != nil {
				return usageError{err}
			}
			rooms, err := s.client().Find(cmd.Context(), q)
			if err != nil {
				return err
			}
			if err := show(cmd, s, rooms, printRooms); err != nil {
				return err
			}
			for _, r := range rooms {
				if r.Times > 0 {
					return nil
				}
			}
			return incompleteError{fmt.Errorf("no host could take it")}
		},
	}
}

// parseNeed reads a description of a domain.
func parseNeed(text string) (api.FindQuery, error) {
	var q api.FindQuery
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		var err error
		switch {
		case !ok:
			err = fmt.Errorf("%q is not key=value", part)
		case key == "cpu":
			q.Load.CPU, err = parseCPUs(value)
		case key == "mem":
			q.Load.Memory, err = parseBytes(value)
		case key == "label":
			q.Requires = append(q.Requires, value)
		case key == "net" || key == "disk":
			err = fmt.Errorf("%s: networks and storage are known to each host alone; virtbalance move VM HOST --dry-run asks it", key)
		default:
			err = fmt.Errorf("%q is not one of cpu, mem, label", key)
		}
		if err != nil {
			return q, err
		}
	}
	if q.Load.CPU == 0 || q.Load.Memory == 0 {
		return q, fmt.Errorf("%q says not both how much cpu and how much mem", text)
	}
	return q, nil
}

func parseCPUs(text string) (policy.MilliCPU, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= 100_000) {
		return 0, fmt.Errorf("cpu=%s is not a number of CPUs", text)
	}
	return policy.MilliCPU(n * 1000), nil
}

func parseBytes(text string) (policy.Bytes, error) {
	digits := strings.TrimRight(strings.TrimSuffix(strings.TrimSuffix(text, "B"), "i"), "KMGT")
	unit := policy.Bytes(1)
	if len(digits) < len(text) {
		unit = policy.KiB << (10 * strings.IndexByte("KMGT", text[len(digits)]))
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n > 0 && n*float64(unit) < 1<<60) {
		return 0, fmt.Errorf("mem=%s is not an amount of memory such as 16G", text)
	}
	return policy.Bytes(n * float64(unit)), nil
}

// printRooms lists hosts with the same answer together.
func printRooms(w io.Writer, rooms []api.Room) {
	var answers []string
	hosts := map[string][]string{}
	for _, r := range rooms {
		answer := "no\t" + r.Text
		if r.Times > 0 {
			answer = fmt.Sprintf("yes\troom for %d", r.Times)
		}
		if hosts[answer] == nil {
			answers = append(answers, answer)
		}
		hosts[answer] = append(hosts[answer], r.Name)
	}
	columns(w, func(w io.Writer) {
		for _, answer := range answers {
			fmt.Fprintf(w, "%s:\t%s\n", fold(hosts[answer]), answer)
		}
	})
}
