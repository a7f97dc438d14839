package sim_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy/sim"
)

func TestRecorder(t *testing.T) {
	// VMs 0 and 2 (3500 MIPS) on the small host, 1 and 3 (2500) on the other;
	// VM 0 leaves at once and has arrived 20 s later.
	w := sim.NewFleetOf(flat(4, 1), 2)
	r := &sim.Recorder{Controller: &once{}, Every: 10 * time.Minute}
	w.Run(r)
	if want := []sim.Transit{{VM: 0, From: 0, To: 1, Took: w.VMs[0].MigrationTime()}}; !reflect.DeepEqual(r.Transits, want) {
		t.Errorf("transits %+v, want %+v", r.Transits, want)
	}
	if len(r.Use) != 2 { // 15 minutes: one whole and a half
		t.Fatalf("%d intervals", len(r.Use))
	}
	first := (2*3500.0 + 58*1000) / 60 / 3720
	if got := r.Use[0][0]; math.Abs(got-first) > 1e-9 {
		t.Errorf("the first interval's mean is %v, want %v", got, first)
	}
	if got := r.Use[1]; math.Abs(got[0]-1000.0/3720) > 1e-9 || math.Abs(got[1]-5000.0/5320) > 1e-9 {
		t.Errorf("the last interval's means are %v", got)
	}
	if got := r.Quantiles(1, 0, 1); got[0] != r.Use[1][0] || got[1] != r.Use[1][1] {
		t.Errorf("least and most are %v of %v", got, r.Use[1])
	}
	steps := 0
	for _, n := range r.Classes {
		steps += n
	}
	if steps != 2*90 || r.Classes[18] != 2+88 { // 94 % on the one, then on the other
		t.Errorf("classes %v", r.Classes)
	}
}

// To record a run does not change it.
func TestRecordedRunsAreTheSame(t *testing.T) {
	run := func(record bool) sim.Figures {
		w := sim.NewFleet(sim.Synthetic(60, 5))
		d := sim.NewDaemons(w, sim.DaemonOptions())
		if record {
			return w.Run(&sim.Recorder{Controller: d, Every: sim.SampleInterval})
		}
		return w.Run(d)
	}
	if a, b := run(false), run(true); a != b || a.Migrations == 0 {
		t.Errorf("%+v, recorded %+v", a, b)
	}
	w := sim.NewFleet(sim.Synthetic(60, 5))
	if a, b := w.Run(&sim.Recorder{Every: time.Hour}), sim.NewFleet(sim.Synthetic(60, 5)).Run(nil); a != b {
		t.Errorf("%+v, recorded %+v", b, a)
	}
}

func TestVMsVanishInCompat(t *testing.T) {
	traces := []sim.Trace{
		{Name: "single", Use: []float64{1, 0, 1, 1}}, // one sample of zero is no idling
		{Name: "double", Use: []float64{1, 0, 0, 1}},
	}
	w := sim.NewFleetOf(traces, 2)
	w.Delete = true
	w.Run(&sim.Recorder{Every: time.Hour})
	if got := []int{len(w.On[0]), len(w.On[1])}; !reflect.DeepEqual(got, []int{1, 0}) {
		t.Errorf("in the end the hosts have %v VMs", got)
	}
	w = sim.NewFleet(sim.Synthetic(200, 9))
	w.Delete = true
	for i := range w.VMs { // all in turn idle for some minutes
		w.VMs[i].Trace.Use[i], w.VMs[i].Trace.Use[i+1] = 0, 0
	}
	w.Run(sim.NewDaemons(w, sim.DaemonOptions()))
	left := 0
	for _, on := range w.On {
		left += len(on)
	}
	if left > 5 { // those that were moving just then
		t.Errorf("%d VMs are left", left)
	}
}

func TestOtherSeedsDrawOtherTargets(t *testing.T) {
	run := func(seed uint32) []sim.Transit {
		w := sim.NewFleet(sim.Synthetic(100, 5))
		o := sim.DaemonOptions()
		o.Seed = seed
		r := &sim.Recorder{Controller: sim.NewDaemons(w, o), Every: time.Hour}
		w.Run(r)
		return r.Transits
	}
	if a, b := run(1), run(1); !reflect.DeepEqual(a, b) {
		t.Error("the same seed makes different runs")
	}
	if a, b := run(1), run(2); reflect.DeepEqual(a, b) {
		t.Error("another seed makes the same run")
	}
}
