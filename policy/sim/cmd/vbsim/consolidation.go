package main

import (
	"fmt"
	"io"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

// consolidation prints a table a day and semantics.
func consolidation(w io.Writer, s settings) error {
	days, err := s.load()
	if err != nil {
		return err
	}
	for _, semantics := range []string{"compat", "keepvms"} {
		for _, d := range days {
			fmt.Fprintf(w, "\n%s, %s: %d VMs on 800 hosts\n", d.name, semantics, len(d.traces))
			fmt.Fprintln(w, "| policy | kWh | migrations | SLATAH % | PDM % | ESV 1e-3 | shutdowns | CPU s |\n|---|---|---|---|---|---|---|---|")
			row := func(name string, c sim.Consolidator, everOn bool) {
				before := cpuSeconds()
				r := sim.NewDataCenter(d.traces, semantics == "compat").Run(c, everOn)
				fmt.Fprintf(w, "| %s | %.1f | %d | %.2f | %.3f | %.3f | %d | %.1f |\n",
					name, r.KWh, r.Migrations, 100*r.SLATAH, 100*r.PDM, 1000*r.ESV, r.Shutdowns, cpuSeconds()-before)
			}
			row("NPA", sim.FirstFit{}, true)
			row("DVFS", sim.FirstFit{}, false)
			row("ThrMmt 0.8", &sim.MMT{Overloaded: sim.Above(0.8)}, false)
			row("IqrMmt 1.5", &sim.MMT{Overloaded: sim.AboveIQR(1.5)}, false)
			row("MadMmt 2.5", &sim.MMT{Overloaded: sim.AboveMAD(2.5)}, false)
			row("LrMmt 1.2", &sim.MMT{Overloaded: sim.Predicted(1.2)}, false)
			row("virtbalance consolidate", newPacking(), false)
		}
	}
	return nil
}

// newPacking is the consolidation of the experiment: hosts are filled to 80 %
// of what their VMs demanded at most within a quarter of an hour, and relieved
// above 95 %.
func newPacking() *sim.Packing {
	return &sim.Packing{
		Planner: policy.Planner{Config: policy.DefaultConfig()},
		How:     policy.Consolidation{Fill: 0.80, Relieve: 0.95, Slack: 0.10},
		Window:  3,
	}
}
