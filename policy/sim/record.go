package sim

import (
	"slices"
	"time"
)

// Recorder keeps what a picture of a run needs, while its Controller balances. A
// run without one does nothing for it.
type Recorder struct {
	// Controller balances; with nil, nothing moves.
	Controller Controller
	// Every is how far apart the recorded loads are: a multiple of Step.
	Every time.Duration

	// Use is the mean load of each host in each interval of Every, as a share of
	// its capacity: Use[k][host]. The last interval may be shorter.
	Use [][]float64
	// Classes counts host-steps by load: ClassWidth each, the last for all above.
	Classes [Classes]int
	// Transits are the migrations, in the order of their starts.
	Transits []Transit

	steps int // of the last interval
}

// Loads are counted in classes of five percent, up to 150 % and above.
const (
	ClassWidth = 0.05
	Classes    = 31
)

// Transit is one migration of a run.
type Transit struct {
	At           time.Duration
	VM, From, To int
	// Took is how long it takes.
	Took time.Duration
}

// Control implements Controller.
func (r *Recorder) Control(w *World) {
	if w.Now%r.Every == 0 {
		r.close()
		r.Use = append(r.Use, make([]float64, len(w.Capacity)))
	}
	sums := r.Use[len(r.Use)-1]
	for i := range w.Capacity {
		u := w.Use(i)
		sums[i] += u
		r.Classes[min(Classes-1, int(u/ClassWidth))]++
	}
	r.steps++
	if w.Now+Step >= w.Length() {
		r.close()
	}
	if r.Controller == nil {
		return
	}
	before := len(w.moving)
	r.Controller.Control(w)
	for _, vm := range w.moving[before:] {
		v := &w.VMs[vm]
		r.Transits = append(r.Transits, Transit{w.Now, vm, v.Host, v.MovingTo, v.MigrationTime()})
	}
}

// close makes means of the sums of the last interval.
func (r *Recorder) close() {
	if r.steps == 0 {
		return
	}
	for i := range r.Use[len(r.Use)-1] {
		r.Use[len(r.Use)-1][i] /= float64(r.steps)
	}
	r.steps = 0
}

// Arrived implements Controller.
func (r *Recorder) Arrived(w *World, vm, from int) {
	if r.Controller != nil {
		r.Controller.Arrived(w, vm, from)
	}
}

// Quantiles are the loads of the hosts in the k-th interval at the given shares
// of the hosts, 0 being the least loaded and 1 the most.
func (r *Recorder) Quantiles(k int, shares ...float64) []float64 {
	sorted := slices.Sorted(slices.Values(r.Use[k]))
	q := make([]float64, len(shares))
	for i, s := range shares {
		q[i] = sorted[int(s*float64(len(sorted)-1)+0.5)]
	}
	return q
}
