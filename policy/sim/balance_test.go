package sim_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy/sim"
)

func TestReadTraces(t *testing.T) {
	traces, err := sim.ReadTraces(strings.NewReader("a,0,50,100\nb,1,2,3\n"))
	if err != nil || len(traces) != 2 || traces[0].Name != "a" || traces[0].Use[1] != 0.5 {
		t.Fatalf("read %v, %v", traces, err)
	}
	for at, want := range map[time.Duration]float64{0: 0, 150 * time.Second: 0.25, 300 * time.Second: 0.5, time.Hour: 1} {
		if got := traces[0].At(at); math.Abs(got-want) > 1e-12 {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
	for text, want := range map[string]string{
		"":             "no traces",
		"a\n":          "trace a has no values",
		"a,1\nb,1,2\n": "trace b has 2 values, a has 1",
		"a,101\n":      `trace a, value 1: "101" is not within 0..100`,
		"a,x\n":        `trace a, value 1: "x" is not within 0..100`,
		"a,NaN\n":      `trace a, value 1: "NaN" is not within 0..100`,
	} {
		if _, err := sim.ReadTraces(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// flat is n traces of constant use.
func flat(n int, use float64) []sim.Trace {
	traces := make([]sim.Trace, n)
	for i := range traces {
		traces[i] = sim.Trace{Name: "flat", Use: []float64{use, use, use}}
	}
	return traces
}

func TestFiguresOfAFleetThatDoesNothing(t *testing.T) {
	// Four VMs, one of each type, at full load: 6000 MIPS. On two hosts of 3720
	// and 5320 MIPS, VMs 0 and 2 (3500 MIPS) and 1 and 3 (2500 MIPS).
	w := sim.NewFleetOf(flat(4, 1), 2)
	f := w.Run(nil)
	if f.OT80 != 0.5 || f.OT100 != 0 || f.Unserved != 0 || f.Migrations != 0 {
		t.Errorf("figures %+v", f)
	}
	if want := (3500.0/3720 - 2500.0/5320) / 2; math.Abs(f.SD-want) > 1e-9 {
		t.Errorf("deviation %v, want %v", f.SD, want)
	}
	// All on the small host: 2280 of 6000 MIPS find no room.
	w = sim.NewFleetOf(flat(4, 1), 2)
	w.Place(1, 0)
	w.Place(3, 0)
	f = w.Run(nil)
	if want := 2280.0 / 6000; math.Abs(f.Unserved-want) > 1e-9 || f.OT100 != 0.5 {
		t.Errorf("figures %+v, want %v unserved", f, want)
	}
}

// once moves VM 0 to host 1 at the start.
type once struct{ arrived time.Duration }

func (o *once) Control(w *sim.World) {
	if w.Now == 0 {
		w.Migrate(0, 1)
	}
}
func (o *once) Arrived(w *sim.World, _, _ int) { o.arrived = w.Now }

func TestMigrationTakesTimeAndCostsLoad(t *testing.T) {
	w := sim.NewFleetOf(flat(4, 1), 2)
	o := &once{}
	f := w.Run(o)
	// 870 MB at 62.5 MB/s take 13.9 s: one step in between, gone at the next.
	if o.arrived != 20*time.Second {
		t.Errorf("arrived after %v", o.arrived)
	}
	const steps = 90
	if want := 0.1 * 2500 / (6000 * steps); math.Abs(f.MigrationLoss-want) > 1e-12 {
		t.Errorf("lost %v, want %v", f.MigrationLoss, want)
	}
	if want := 870.0 / 1024 / 4 / (900.0 / 86400); math.Abs(f.GiB-want) > 1e-9 {
		t.Errorf("moved %v GiB, want %v", f.GiB, want)
	}
}

// TestDaemonsBeatTheThreshold holds the main claim of docs/benchmarks.md on load
// that nothing was tuned on.
func TestDaemonsBeatTheThreshold(t *testing.T) {
	for seed := range uint64(2) {
		traces := sim.Synthetic(150, 100+seed)
		peer := sim.NewFleet(traces).Run(sim.Threshold{High: 0.8, Period: 60 * time.Second})
		w := sim.NewFleet(traces)
		ours := w.Run(sim.NewDaemons(w, sim.BenchmarkOptions(60*time.Second)))
		if ours.S > 0.6*peer.S || ours.OT80 > 0.5*peer.OT80 || ours.Migrations > peer.Migrations {
			t.Errorf("seed %d: %+v\nagainst %+v", seed, ours, peer)
		}
	}
}

func TestRunsRepeat(t *testing.T) {
	run := func() sim.Figures {
		w := sim.NewFleet(sim.Synthetic(60, 5))
		return w.Run(sim.NewDaemons(w, sim.BenchmarkOptions(300*time.Second)))
	}
	if a, b := run(), run(); a != b {
		t.Errorf("%+v and %+v", a, b)
	}
}

// watch checks the limits of the policy at every step.
type watch struct {
	*sim.Balanced
	t    *testing.T
	last map[int]time.Duration
}

func (k *watch) Control(w *sim.World) {
	k.Balanced.Control(w)
	in, out := map[int]int{}, map[int]int{}
	for _, vm := range w.VMs {
		if vm.MovingTo >= 0 {
			in[vm.MovingTo]++
			out[vm.Host]++
		}
	}
	for host := range w.Capacity {
		if in[host] > k.Policy.MaxInbound || out[host] > k.Policy.MaxOutbound {
			k.t.Errorf("at %v host %d has %d inbound and %d outbound", w.Now, host, in[host], out[host])
		}
	}
}

func (k *watch) Arrived(w *sim.World, vm, from int) {
	if before, moved := k.last[vm]; moved && w.Now-before < k.Policy.Cooldown {
		k.t.Errorf("VM %d arrived at %v and again at %v", vm, before, w.Now)
	}
	k.last[vm] = w.Now
	k.Balanced.Arrived(w, vm, from)
}

func TestDaemonsKeepTheirLimits(t *testing.T) {
	w := sim.NewFleet(sim.Synthetic(200, 9))
	o := sim.DaemonOptions()
	w.Run(&watch{sim.NewDaemons(w, o), t, map[int]time.Duration{}})
}

func BenchmarkBalancingDay(b *testing.B) {
	traces := sim.Synthetic(1000, 1)
	for b.Loop() {
		w := sim.NewFleet(traces)
		w.Run(sim.NewDaemons(w, sim.BenchmarkOptions(60*time.Second)))
	}
}

// TestDaemonsSwap: the first host is too full and nobody has room for any of its
// VMs. The second gives one of its own to the third, and then has.
func TestDaemonsSwap(t *testing.T) {
	for _, swaps := range []bool{true, false} {
		w := sim.NewFleetOf(flat(7, 1), 3)
		for i, mips := range []float64{3000, 3000, 3000, 2000, 2500, 2100, 2100} {
			w.VMs[i].MIPS = mips
			w.VMs[i].Trace.Use = make([]float64, 6)
			for k := range w.VMs[i].Trace.Use {
				w.VMs[i].Trace.Use[k] = 1
			}
			w.Place(i, []int{0, 0, 0, 1, 1, 2, 2}[i])
		}
		w.Capacity = []float64{10_000, 10_000, 10_000}
		o := sim.DaemonOptions()
		o.Policy.Swaps = swaps
		w.Run(sim.NewDaemons(w, o))
		if relieved := w.Use(0) < 0.8; relieved != swaps {
			t.Errorf("swaps %v: the hosts are at %v", swaps, []float64{w.Use(0), w.Use(1), w.Use(2)})
		}
		if given := w.VMs[3].Host == 2; given != swaps {
			t.Errorf("swaps %v: VM 3 is on host %d", swaps, w.VMs[3].Host)
		}
	}
}
