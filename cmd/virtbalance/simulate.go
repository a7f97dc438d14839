package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/nodeset"
	"github.com/virtbalance/virtbalance/policy"
)

// simulateOptions are the flags of simulate.
type simulateOptions struct {
	fleetOptions
	config             string
	add, set, withouts []string
	traces             traceOptions
}

// simulation is what simulate shows.
type simulation struct {
	// Is is the fleet of the file under the configuration as it is, Would the same
	// with all that was asked for.
	Is    policy.FleetPlan `json:"is"`
	Would policy.FleetPlan `json:"would"`
	// Restarts are of the domains whose host is lost.
	Restarts []policy.Restart `json:"restarts"`
}

// planned are the keys at which a plan for a whole fleet looks.
var planned = []string{
	"policy.low", "policy.receive", "policy.stop", "policy.high", "policy.critical", "policy.memory_receive",
	"policy.cooldown", "policy.cooldown_max", "policy.cooldown_window", "policy.max_inbound", "policy.max_outbound",
}

func newSimulate(s *settings) *cobra.Command {
	o := simulateOptions{fleetOptions: fleetOptions{strategy: strategies[0]}}
	cmd := &cobra.Command{
		Use:         "simulate --fleet FILE | --traces FILE",
		Short:       "Show what would be with other marks, more domains or fewer hosts, at rest or over a day",
		Annotations: map[string]string{pageFormat: "with --traces"},
		Long: `Without --traces: plans for the fleet in a file as plan --fleet does, once as it is and once with
what is asked for, and shows both. No daemon is asked, and nothing is moved.

--add puts a domain on a host that uses so many CPUs and, if it is said, so much
memory. --set changes a key of the configuration for the second plan. --without
takes hosts away: their domains start again, the largest first, on the emptiest
host that has the memory, above its stop mark only if there is no other; those
that have no room anywhere stay down, and the exit code is 4. A snapshot of one daemon knows the domains of its own host only;
for the others' give two tables, nodes.csv,vms.csv.

` + tracesHelp,
		Example: `  virtbalance simulate --fleet nodes.csv,vms.csv --without node[1-2]
  virtbalance simulate --traces made-up:1000 --format html >page.html
  virtbalance simulate --traces day.csv.gz --hosts 40 --strategy spread --set policy.high=75`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.together(cmd, s.format); err != nil {
				return usageError{err}
			}
			if o.traces.file != "" {
				return simulateTraces(cmd, s, o)
			}
			sim, err := simulate(o)
			if err != nil {
				return err
			}
			if err := show(cmd, s, sim, printSimulation); err != nil {
				return err
			}
			left := 0
			for _, r := range sim.Restarts {
				if r.Reason != policy.OK {
					left++
				}
			}
			if left > 0 {
				return incompleteError{fmt.Errorf("%d of %s cannot start again elsewhere", left, count(len(sim.Restarts), "domain"))}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.fleet, "fleet", "", "the fleet: a `file`, or nodes.csv,vms.csv")
	flags.StringVar(&o.config, "config", "", "configuration `file` of the daemons (default: the default configuration)")
	flags.StringArrayVar(&o.add, "add", nil, "one more domain, `VM=CPU[,MEM]@HOST`, such as web9=2.5,4G@node3; may be repeated")
	flags.StringArrayVar(&o.set, "set", nil, "another configuration, `KEY=VALUE`, such as policy.high=85; may be repeated")
	flags.StringArrayVar(&o.withouts, "without", nil, "`HOSTS` that are lost, such as node[1-2]; may be repeated")
	flags.StringVar(&o.strategy, "strategy", o.strategy, strings.Join(strategies, ", ")+"; performance with --traces")
	flags.IntVar(&o.maxMoves, "max-moves", 0, "at most so many moves in each plan; 0 is no limit")
	o.traces.flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("set", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		if o.traces.file != "" {
			return decidingKeys(), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		}
		keys := make([]string, len(planned))
		for i, k := range planned {
			keys[i] = k + "="
		}
		return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("strategy", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		if o.traces.file != "" {
			var all []string
			for _, x := range policy.Strategies() {
				all = append(all, x.String())
			}
			return all, cobra.ShellCompDirectiveNoFileComp
		}
		return strategies, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func simulate(o simulateOptions) (simulation, error) {
	var sim simulation
	if o.fleet == "" {
		return sim, usageError{errors.New("simulate needs --fleet FILE; virtbalance snapshot writes one; or --traces FILE")}
	}
	is := config.Default()
	if o.config != "" {
		var err error
		if is, err = config.Load(o.config); err != nil {
			return sim, err
		}
	}
	would, err := withSettings(is, o.set)
	if err != nil {
		return sim, usageError{err}
	}
	fleet, err := readFleet(o.fleet)
	if err != nil {
		return sim, err
	}
	if sim.Is, err = o.plan(is.Policy, fleet); err != nil {
		return sim, err
	}
	for _, text := range o.add {
		d, err := parseAdded(text, fleet)
		if err != nil {
			return sim, usageError{fmt.Errorf("--add %q: %w", text, err)}
		}
		fleet = fleet.With(d)
	}
	lost, err := lostHosts(o.withouts, fleet)
	if err != nil {
		return sim, usageError{err}
	}
	fleet, sim.Restarts = policy.Planner{Config: would.Policy}.Without(fleet, lost)
	sim.Would, err = o.plan(would.Policy, fleet)
	return sim, err
}

// withSettings is the configuration with keys changed.
func withSettings(c config.Config, set []string) (config.Config, error) {
	for _, text := range set {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return c, fmt.Errorf("--set %q is not KEY=VALUE, such as policy.high=85", text)
		}
		if err := c.Set(key, value); err != nil {
			return c, fmt.Errorf("--set %s: %w", text, err)
		}
		if !slices.Contains(planned, key) {
			return c, fmt.Errorf("--set %s: a plan for a whole fleet looks at no such key; it looks at %s", text, strings.Join(planned, ", "))
		}
	}
	if err := c.Policy.Validate(); err != nil {
		return c, fmt.Errorf("--set: %w", err)
	}
	return c, nil
}

// parseAdded reads VM=CPU[,MEM]@HOST.
func parseAdded(text string, s policy.Snapshot) (policy.PlacedDomain, error) {
	var d policy.PlacedDomain
	name, rest, ok := strings.Cut(text, "=")
	load, host, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 || name == "" {
		return d, errors.New("it is not VM=CPU[,MEM]@HOST, such as web9=2.5,4G@node3")
	}
	for i := range s.Domains {
		if x := &s.Domains[i]; x.Name == name || string(x.ID) == name {
			return d, fmt.Errorf("there is a domain %s already, on %s", name, x.Host)
		}
	}
	d.ID, d.Name, d.Known = policy.DomainID(name), name, true
	cpu, memory, sized := strings.Cut(load, ",")
	var err error
	if d.Demand.CPU, err = parseCPUs(cpu); err != nil {
		return d, err
	}
	d.VCPUs = max(1, int((d.Demand.CPU+999)/1000))
	if sized {
		if d.Demand.Memory, err = parseBytes(memory); err != nil {
			return d, err
		}
		d.MemoryMax = d.Demand.Memory
	}
	d.Host, err = s.Named(host)
	return d, err
}

// lostHosts are the hosts of the snapshot that are named.
func lostHosts(sets []string, s policy.Snapshot) ([]policy.HostID, error) {
	var lost []policy.HostID
	for _, text := range sets {
		set, err := nodeset.Parse(text, nil)
		if err != nil {
			return nil, fmt.Errorf("--without: %w", err)
		}
		for _, name := range set.Names() {
			id, err := s.Named(name)
			if err != nil {
				return nil, fmt.Errorf("--without %s: %w", text, err)
			}
			lost = append(lost, id)
		}
	}
	return lost, nil
}

func printSimulation(w io.Writer, sim simulation) {
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "\tHOSTS\tDOMAINS\tMEAN\tDEVIATION\tMAX\tOVERLOADED\tMOVES")
		for _, row := range []struct {
			when  string
			b     policy.Balance
			moves string
		}{
			{"as it is", sim.Is.Before, "-"},
			{"  after its plan", sim.Is.After, fmt.Sprint(len(sim.Is.Moves))},
			{"as it would be", sim.Would.Before, "-"},
			{"  after its plan", sim.Would.After, fmt.Sprint(len(sim.Would.Moves))},
		} {
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%d\t%s\n", row.when, row.b.Hosts, row.b.Domains, row.b.Mean, row.b.Deviation, row.b.Max, row.b.Overloaded, row.moves)
		}
	})
	if len(sim.Restarts) > 0 {
		fmt.Fprintln(w, "\nThe domains of the lost hosts:")
		columns(w, func(w io.Writer) {
			for _, r := range sim.Restarts {
				if r.Reason == policy.OK {
					fmt.Fprintf(w, "  %s\tstarts again on %s\n", r.Name, r.To)
				} else {
					fmt.Fprintf(w, "  %s\tstays down: %s\n", r.Name, r.Reason.Text())
				}
			}
		})
	}
	printMoves(w, "As it would be", sim.Would.Moves)
}
