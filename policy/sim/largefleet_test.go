package sim_test

import (
	"runtime"
	"testing"

	"github.com/virtbalance/virtbalance/policy/sim"
)

// The tiny version of "vbsim day": a fleet large enough for two workers, and the
// same figures whatever their number.
func TestLargeFleetRepeatsOnAnyNumberOfCPUs(t *testing.T) {
	run := func(cpus int) sim.Figures {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cpus))
		w := sim.NewLargeFleet(500, 3, 1)
		for i := range w.VMs {
			w.VMs[i].Trace.Use = w.VMs[i].Trace.Use[:2] // ten minutes
		}
		return w.Run(sim.NewDaemons(w, sim.DaemonOptions()))
	}
	one, three := run(1), run(3)
	if one != three {
		t.Errorf("on one CPU %+v\non three %+v", one, three)
	}
	if one.Migrations == 0 {
		t.Error("nothing was moved: the test shows nothing")
	}
}
