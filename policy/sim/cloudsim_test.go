package sim_test

import (
	"math"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

func packing() *sim.Packing {
	return &sim.Packing{
		Planner: policy.Planner{Config: policy.DefaultConfig()},
		How:     policy.Consolidation{Fill: 0.80, Relieve: 0.95, Slack: 0.10}, Window: 3,
	}
}

func TestFullPowerIsKnown(t *testing.T) {
	// 400 hosts of each type at full power, for the 287 rounds that are counted.
	r := sim.NewDataCenter(sim.Synthetic(20, 1), true).Run(sim.FirstFit{}, true)
	if want := 400 * (117 + 135) * 287 * 300 / 3.6e6; math.Abs(r.KWh-want) > 1e-6 || r.Migrations != 0 {
		t.Errorf("%+v, want %v kWh", r, want)
	}
}

func TestVanishingVMs(t *testing.T) {
	traces := sim.Synthetic(4, 1)
	for i := range traces {
		for k := range traces[i].Use {
			traces[i].Use[k] = 0.5
		}
	}
	for k := 10; k < 20; k++ {
		traces[0].Use[k] = 0
	}
	kept := sim.NewDataCenter(traces, false).Run(sim.FirstFit{}, false)
	gone := sim.NewDataCenter(traces, true).Run(sim.FirstFit{}, false)
	if gone.KWh >= kept.KWh {
		t.Errorf("a VM that is gone uses no power: %v and %v kWh", gone.KWh, kept.KWh)
	}
}

// TestPackingBeatsThreshold holds the claim of docs/benchmarks.md on made-up
// load.
func TestPackingBeatsThreshold(t *testing.T) {
	for _, remove := range []bool{true, false} {
		traces := sim.Synthetic(300, 11)
		peer := sim.NewDataCenter(traces, remove).Run(&sim.MMT{Overloaded: sim.Above(0.8)}, false)
		ours := sim.NewDataCenter(traces, remove).Run(packing(), false)
		if ours.KWh > peer.KWh || ours.ESV > 0.5*peer.ESV || 2*ours.Migrations > peer.Migrations {
			t.Errorf("delete %v: %+v\nagainst %+v", remove, ours, peer)
		}
	}
}

func BenchmarkConsolidationDay(b *testing.B) {
	traces := sim.Synthetic(1000, 1)
	for b.Loop() {
		sim.NewDataCenter(traces, true).Run(packing(), false)
	}
}
