package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// rulesFlags are the flags of the command rules.
type rulesFlags struct {
	pin, noPin, ignore, noIgnore bool
	requires, noRequires         []string
	affinity, noAffinity         []string
	antiAffinity, noAntiAffinity []string
	soft                         bool
	priority                     int
	mode                         string
}

func newRules(s *settings) *cobra.Command {
	var f rulesFlags
	cmd := &cobra.Command{
		Use:   "rules VM",
		Short: "Show or change what a domain asks of its placement",
		Long: `Without flags: the rules of a domain, wherever it runs.

With flags: changes them, on the host where the domain runs. They stand in the
domain's libvirt metadata and travel with it. Names of groups and labels can be
given several times, or in a list with commas. Groups are hard unless --soft is
given: then those of the same command are wishes.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("rules takes one domain; got %q", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := f.change(cmd.Flags().Changed)
			if err != nil {
				return usageError{err}
			}
			e, err := s.client().Explain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if change.IsZero() {
				rules := api.DomainRules{Domain: e.Domain.ID, Name: e.Domain.Name, Host: e.On, Rules: e.Domain.Rules}
				return show(cmd, s, rules, printRules)
			}
			rules, err := s.client().At(e.On).ChangeRules(cmd.Context(), args[0], change)
			if err != nil {
				return err
			}
			return show(cmd, s, rules, printRules)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.pin, "pin", false, "keep it on its host, drained or not")
	flags.BoolVar(&f.noPin, "no-pin", false, "let it move")
	flags.BoolVar(&f.ignore, "ignore", false, "have nothing to do with it")
	flags.BoolVar(&f.noIgnore, "no-ignore", false, "care for it again")
	flags.StringSliceVar(&f.requires, "requires", nil, "run it only on hosts with this `label`")
	flags.StringSliceVar(&f.noRequires, "no-requires", nil, "do not require this `label` any more")
	flags.StringSliceVar(&f.affinity, "affinity", nil, "run it beside the others of this `group`")
	flags.StringSliceVar(&f.noAffinity, "no-affinity", nil, "leave this affinity `group`")
	flags.StringSliceVar(&f.antiAffinity, "anti-affinity", nil, "never run it beside another of this `group`")
	flags.StringSliceVar(&f.noAntiAffinity, "no-anti-affinity", nil, "leave this anti-affinity `group`")
	flags.BoolVar(&f.soft, "soft", false, "the groups are wishes")
	flags.IntVar(&f.priority, "priority", 0, "who moves first for the others' sake, -10, or only when somebody waits for a CPU, 10: a `number` between")
	flags.StringVar(&f.mode, "mode", "", "auto, approve (propose its moves) or never (only when its host is drained): a `mode`")
	return cmd
}

// change is what the flags ask for.
func (f rulesFlags) change(given func(string) bool) (api.RulesChange, error) {
	var c api.RulesChange
	for _, b := range []struct {
		on, off     string
		isOn, isOff bool
		to          **bool
	}{
		{"pin", "no-pin", f.pin, f.noPin, &c.Pin},
		{"ignore", "no-ignore", f.ignore, f.noIgnore, &c.Ignore},
	} {
		if b.isOn && b.isOff {
			return c, fmt.Errorf("--%s and --%s contradict each other", b.on, b.off)
		}
		if b.isOn || b.isOff {
			*b.to = &b.isOn
		}
	}
	c.Require, c.Release = f.requires, f.noRequires
	for _, g := range []struct {
		rule        policy.GroupRule
		join, leave []string
	}{{policy.Affinity, f.affinity, f.noAffinity}, {policy.AntiAffinity, f.antiAffinity, f.noAntiAffinity}} {
		for _, name := range g.join {
			c.Join = append(c.Join, policy.Membership{Rule: g.rule, Group: name, Soft: f.soft})
		}
		for _, name := range g.leave {
			c.Leave = append(c.Leave, policy.Membership{Rule: g.rule, Group: name})
		}
	}
	if f.soft && len(c.Join) == 0 {
		return c, fmt.Errorf("--soft goes with --affinity or --anti-affinity")
	}
	if given("priority") {
		p := policy.Priority(f.priority)
		c.Priority = &p
	}
	if given("mode") {
		o, err := policy.ParseOverride(f.mode)
		if err != nil {
			return c, fmt.Errorf("--mode: %w", err)
		}
		c.Override = &o
	}
	return c, nil
}

func printRules(w io.Writer, d api.DomainRules) {
	lines := ruleLines(d.Rules)
	if len(lines) == 0 {
		fmt.Fprintf(w, "%s on %s has no rules.\n", d.Name, d.Host)
		return
	}
	fmt.Fprintf(w, "%s on %s:\n", d.Name, d.Host)
	for _, l := range lines {
		fmt.Fprintf(w, "  %s\n", l)
	}
}

// ruleLines say the rules, each in a line.
func ruleLines(r policy.Rules) []string {
	var lines []string
	add := func(given bool, format string, args ...any) {
		if given {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	add(r.Pin, "pinned: stays on its host, drained or not")
	add(r.Ignore, "ignored: is none of the balancer's business")
	add(len(r.Requires) > 0, "requires the host labels %s", strings.Join(slices.Sorted(slices.Values(r.Requires)), ", "))
	for _, m := range r.Groups {
		strength := "hard"
		if m.Soft {
			strength = "soft"
		}
		add(true, "%s group %s (%s)", m.Rule, m.Group, strength)
	}
	add(r.Priority != 0, "priority %d", r.Priority)
	add(r.Override == policy.ApproveMove, "mode approve: its moves are proposed, and a person has to agree")
	add(r.Override == policy.NeverMove, "mode never: moves only when its host is drained or a person moves it")
	return lines
}
