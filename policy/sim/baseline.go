package sim

import (
	"cmp"
	"slices"
	"time"
)

// Threshold is the heuristic of Beloglazov and Buyya (CCPE 2012) for the
// balancing experiment, with knowledge of the whole fleet: each Period, hosts
// above High give VMs away, the one with the smallest RAM first (minimum
// migration time) or the one with the largest demand, until they are not above
// it; all that were taken go, by decreasing demand, to the least loaded host
// that stays within High.
type Threshold struct {
	High    float64
	Period  time.Duration
	Largest bool
}

// Arrived implements Controller.
func (Threshold) Arrived(*World, int, int) {}

// Control implements Controller.
func (t Threshold) Control(w *World) {
	if w.Now%t.Period != 0 {
		return
	}
	load := slices.Clone(w.Load)
	var evicted []int
	for h := range load {
		vms := slices.Clone(w.On[h])
		slices.Sort(vms)
		slices.SortStableFunc(vms, func(a, b int) int {
			if t.Largest {
				return cmp.Compare(w.VMs[b].Demand, w.VMs[a].Demand)
			}
			return cmp.Compare(w.VMs[a].RAM, w.VMs[b].RAM)
		})
		for _, vm := range vms {
			if load[h] <= t.High*w.Capacity[h] {
				break
			}
			if w.VMs[vm].MovingTo < 0 {
				load[h] -= w.VMs[vm].Demand
				evicted = append(evicted, vm)
			}
		}
	}
	slices.SortStableFunc(evicted, func(a, b int) int { return cmp.Compare(w.VMs[b].Demand, w.VMs[a].Demand) })
	for _, vm := range evicted {
		if to := leastLoaded(w, load, w.VMs[vm].Demand, t.High, w.VMs[vm].Host); to >= 0 {
			load[to] += w.VMs[vm].Demand
			w.Migrate(vm, to)
		} else {
			load[w.VMs[vm].Host] += w.VMs[vm].Demand
		}
	}
}

// leastLoaded is the host with the lowest share that stays within high with
// the demand added; -1 if there is none.
func leastLoaded(w *World, load []float64, demand, high float64, not int) int {
	best, bestUse := -1, high
	for h := range load {
		if use := (load[h] + demand) / w.Capacity[h]; h != not && use <= bestUse {
			best, bestUse = h, use
		}
	}
	return best
}

// PlaceByMean deals the VMs out before the start with foresight of each one's
// mean demand: the largest first, to the host that is then least loaded (LPT).
func (w *World) PlaceByMean() {
	means := make([]float64, len(w.VMs))
	order := make([]int, len(w.VMs))
	for i, vm := range w.VMs {
		order[i] = i
		for _, u := range vm.Trace.Use {
			means[i] += u * vm.MIPS / float64(len(vm.Trace.Use))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(means[b], means[a]) })
	load := make([]float64, len(w.Capacity))
	for _, vm := range order {
		best := 0
		for h := range load {
			if (load[h]+means[vm])/w.Capacity[h] < (load[best]+means[vm])/w.Capacity[best] {
				best = h
			}
		}
		load[best] += means[vm]
		w.Place(vm, best)
	}
}
