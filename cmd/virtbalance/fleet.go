package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

// fleetOptions are the flags of plan that make it plan for a whole fleet.
type fleetOptions struct {
	fleet, strategy string
	maxMoves        int
}

// strategies are what a fleet can be planned for.
var strategies = []string{"threshold", "spread", "consolidate"}

// fleetAnswer is a plan, and what the fleet has room for as it is.
type fleetAnswer struct {
	policy.FleetPlan
	Room policy.Headroom `json:"room"`
}

// planFleet plans for the fleet in a file. No daemon is asked.
func planFleet(o fleetOptions) (fleetAnswer, error) {
	s, err := readFleet(o.fleet)
	if err != nil {
		return fleetAnswer{}, err
	}
	c := config.Default().Policy
	answer := fleetAnswer{Room: policy.Planner{Config: c}.Headroom(s)}
	answer.FleetPlan, err = o.plan(c, s)
	return answer, err
}

// plan plans for a fleet as the options say.
func (o fleetOptions) plan(c policy.Config, s policy.Snapshot) (policy.FleetPlan, error) {
	if o.maxMoves < 0 {
		return policy.FleetPlan{}, usageError{fmt.Errorf("--max-moves %d must not be negative; 0 is no limit", o.maxMoves)}
	}
	p := policy.Planner{Config: c, MaxMoves: o.maxMoves}
	switch o.strategy {
	case "threshold":
		return p.Plan(s), nil
	case "spread":
		p.Spread, p.Deviation = true, 0.02
		return p.Plan(s), nil
	case "consolidate":
		marks := p.Config.Marks
		return p.Consolidate(s, policy.Consolidation{Fill: marks.Receive, Relieve: marks.High, Slack: 0.05, Spare: 1}).FleetPlan, nil
	default:
		return policy.FleetPlan{}, usageError{fmt.Errorf("--strategy %q is not one of %s", o.strategy, strings.Join(strategies, ", "))}
	}
}

// readFleet reads a snapshot in JSON, or the two tables nodes.csv,vms.csv.
func readFleet(path string) (policy.Snapshot, error) {
	nodes, vms, tables := strings.Cut(path, ",")
	if !tables {
		f, err := os.Open(path)
		if err != nil {
			return policy.Snapshot{}, fmt.Errorf("--fleet: %w", err)
		}
		defer f.Close()
		s, err := policy.ReadSnapshot(f)
		if err != nil {
			return s, fmt.Errorf("--fleet %s: %w", path, err)
		}
		return s, nil
	}
	n, err := os.Open(nodes)
	if err != nil {
		return policy.Snapshot{}, fmt.Errorf("--fleet: %w", err)
	}
	defer n.Close()
	v, err := os.Open(vms)
	if err != nil {
		return policy.Snapshot{}, fmt.Errorf("--fleet: %w", err)
	}
	defer v.Close()
	s, err := sim.ReadFleet(n, v)
	if err != nil {
		return s, fmt.Errorf("--fleet %s: %w", path, err)
	}
	return s, nil
}

func printFleetPlan(w io.Writer, p fleetAnswer) {
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "\tHOSTS\tDOMAINS\tMEAN\tDEVIATION\tMAX\tOVERLOADED")
		for _, row := range []struct {
			when string
			b    policy.Balance
		}{{"before", p.Before}, {"after", p.After}} {
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%d\n", row.when, row.b.Hosts, row.b.Domains, row.b.Mean, row.b.Deviation, row.b.Max, row.b.Overloaded)
		}
	})
	fmt.Fprintln(w)
	printRoom(w, p.Room, string(p.Room.Hardest))
	printMoves(w, "", p.Moves)
}

// printMoves lists the moves of a plan; which is what they are for, if there are
// several plans.
func printMoves(w io.Writer, which string, moves []policy.PlannedMove) {
	nothing := "Nothing"
	if which != "" {
		which += ": "
		nothing = "nothing"
	}
	if len(moves) == 0 {
		fmt.Fprintf(w, "\n%s%s needs to move.\n", which, nothing)
		return
	}
	fmt.Fprintf(w, "\n%s%s; those of one step may run at once:\n", which, count(len(moves), "move"))
	columns(w, func(w io.Writer) {
		fmt.Fprintln(w, "STEP\tDOMAIN\tFROM\tTO\tMEMORY\tBECAUSE")
		for _, m := range moves {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", m.Step, m.Domain, m.From, m.To, m.Memory, m.Reason)
		}
	})
}
