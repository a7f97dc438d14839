package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newExplain(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "explain VM [HOSTS]",
		Short: "Say why a domain would, would not or did move",
		Long: `Says of a domain, wherever in the fleet it runs, why it would move or stays, and
of each host why it could go there or not. Of a domain that stays it also says
the smallest change under which it would have moved: a wait that were over, a
mark that were other, or two of these. What would be then in the whole fleet,
virtbalance simulate shows.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 {
				return usageError{errors.New("explain takes a domain, and perhaps hosts")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := s.client().Explain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) > 1 { // its own host may be among those that are named
				e.Hosts = append(e.Hosts, api.HostExplanation{Name: e.On, Reason: policy.SameHost, Text: policy.SameHost.Text()})
			}
			e.Hosts, err = withNames(cmd.Context(), s, args[1:], e.Hosts, func(h api.HostExplanation) (string, policy.HostID) { return h.Name, h.Host })
			if err != nil {
				return err
			}
			return show(cmd, s, e, printExplanation)
		},
	}
}

// times says how often.
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	default:
		return fmt.Sprintf("%d times", n)
	}
}

func printExplanation(w io.Writer, e api.Explanation) {
	d := e.Domain
	fmt.Fprintf(w, "%s on %s uses %s of %s, waits %s of the time, holds %s of memory (at most %s).\n",
		d.Name, e.On, d.Demand.CPU, count(d.VCPUs, "vCPU"), d.Wait, d.Demand.Memory, d.MemoryMax)
	switch {
	case e.Move != nil && e.Hold == policy.OK:
		fmt.Fprintf(w, "It moves now: %s.\n", e.Move.Why.Text())
	case e.Move != nil:
		fmt.Fprintf(w, "It would move, because %s; but %s.\n", e.Move.Why.Text(), e.HoldText)
	default:
		fmt.Fprintf(w, "It stays: %s.\n", e.Stays.Text())
	}
	if e.Unconfirmed != "" {
		fmt.Fprintf(w, "It came from %s, and word from there is awaited.\n", e.Unconfirmed)
	}
	if n := d.History.Unhelped; n > 0 {
		fmt.Fprintf(w, "Its cooldown is longer, doubled %s: audits found that moving it had not helped.\n", times(n))
	}
	if i := e.Instead; i != nil {
		fmt.Fprintf(w, "It would move to %s %s.\n", i.ToName, i.Text)
	}
	var answers folded
	for _, h := range e.Hosts {
		answer := "no"
		if h.Reason == policy.OK {
			answer = "yes"
		}
		answers.add(h.Name, answer+"\t"+h.Text)
	}
	columns(w, func(w io.Writer) {
		answers.each(func(hosts, answer string) { fmt.Fprintf(w, "  to %s\t%s\n", hosts, answer) })
	})
	if len(e.History) > 0 {
		fmt.Fprintln(w, "It was moved away from this host before:")
		printHistory(w, e.History)
	}
}
