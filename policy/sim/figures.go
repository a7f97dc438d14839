package sim

import (
	"math"
	"time"
)

// Figures are the outcome of a balancing run. Lower is better in all of them.
type Figures struct {
	// OT80 and OT100 are the shares of host-steps with a load above 80 % and
	// above the capacity.
	OT80  float64 `json:"ot80"`
	OT100 float64 `json:"ot100"`
	// Unserved is demand beyond capacity, MigrationLoss what migrating VMs
	// lost, both as shares of all demand.
	Unserved      float64 `json:"unserved"`
	MigrationLoss float64 `json:"migloss"`
	// SD is the time mean of the population standard deviation of the load
	// over the hosts.
	SD float64 `json:"sd"`
	// Migrations and GiB moved, per VM and day.
	Migrations float64 `json:"migrations"`
	GiB        float64 `json:"gib"`
	// S is the score that weighs them against each other: 100 OT80 +
	// 1000 (Unserved + MigrationLoss) + 0.5 GiB.
	S float64 `json:"s"`
}

type accumulator struct {
	steps, hostSteps, above80, above100 int
	demand, unserved, lost, deviation   float64
	migrations                          int
	ram                                 float64
}

func (a *accumulator) count(w *World, demand, lost float64) {
	sum, squares := 0.0, 0.0
	for i, load := range w.Load {
		u := load / w.Capacity[i]
		sum += u
		squares += u * u
		if u > 0.8 {
			a.above80++
		}
		if u > 1 {
			a.above100++
			a.unserved += load - w.Capacity[i]
		}
	}
	n := float64(len(w.Load))
	a.deviation += math.Sqrt(max(0, squares/n-sum/n*sum/n))
	a.demand += demand
	a.lost += lost
	a.steps++
	a.hostSteps += len(w.Load)
}

func (a *accumulator) total(vms int, length time.Duration) Figures {
	vmDays := float64(vms) * length.Hours() / 24
	all := max(a.demand, math.SmallestNonzeroFloat64) // of nothing, nothing is lost
	f := Figures{
		OT80: float64(a.above80) / float64(a.hostSteps), OT100: float64(a.above100) / float64(a.hostSteps),
		Unserved: a.unserved / all, MigrationLoss: a.lost / all,
		SD:         a.deviation / float64(a.steps),
		Migrations: float64(a.migrations) / vmDays, GiB: a.ram / 1024 / vmDays,
	}
	f.S = 100*f.OT80 + 1000*(f.Unserved+f.MigrationLoss) + 0.5*f.GiB
	return f
}
