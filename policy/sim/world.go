package sim

import (
	"math"
	"time"
)

// VM is one virtual machine of a World.
type VM struct {
	Name string
	// MIPS is what the VM uses at full load; the host's unit of capacity.
	MIPS float64
	// RAM in MB is what a migration copies.
	RAM   float64
	Trace Trace

	Host int
	// MovingTo is the host that a running migration goes to, -1 without one.
	MovingTo int
	until    time.Duration
	// Demand is the load that the VM wants to run now, in MIPS.
	Demand float64
	// gone: it has vanished, is on no host, and has no demand any more.
	gone bool
}

// World is a fleet under load, as the balancing experiment models it: capacity
// is fluid, RAM is unlimited but counted when moved, and nothing is ever
// switched off.
//
// While a VM migrates, the source carries its whole demand, the target a tenth
// of it on top, and a tenth of the demand is lost.
type World struct {
	Capacity []float64 // MIPS of each host
	// Noise is the standard deviation of each VM's demand about its trace, as a
	// share of it, anew at each step. The traces are means over five minutes and
	// have none.
	Noise float64
	// Delete has a VM that idles from one sample of its trace to the next vanish
	// for good, as in CloudSim (Cloudslab/cloudsim#64, #159): "compat" in
	// docs/benchmarks.md. Without it all VMs are kept: "keepvms".
	Delete bool
	// Memory of each host in MiB bounds what it takes in; nil is no bound, as
	// the experiment has it.
	Memory []float64
	// Names of the hosts for people; nil if they have none.
	Names []string
	VMs   []VM
	// Now is the time since the start.
	Now time.Duration
	// Load of each host in MIPS; may exceed its capacity.
	Load []float64
	// On lists the VMs of each host.
	On [][]int

	moving  []int
	length  time.Duration
	figures accumulator
}

// The model's constants.
const (
	// Step is how often load is computed and counted.
	Step = 10 * time.Second
	// MigrationBandwidth is in MB/s: half of 1 Gbit/s.
	MigrationBandwidth = 62.5
	// migrationCost is the share of a migrating VM's demand that is lost at the
	// source and added at the target.
	migrationCost = 0.1
)

// Controller balances a World. Control is called after each step; it may start
// migrations.
type Controller interface {
	Control(w *World)
	// Arrived tells of a migration that has ended.
	Arrived(w *World, vm, from int)
}

// NewFleet builds the fleet of the balancing experiment for the traces of a
// day: four VM types, in blocks of equal size; hosts of two sizes, as many as
// make the mean load about 60 %; VMs dealt to the hosts in turn.
func NewFleet(traces []Trace) *World {
	const target = 0.6
	w := &World{VMs: newVMs(traces)}
	demand := 0.0
	for _, vm := range w.VMs {
		for _, u := range vm.Trace.Use {
			demand += u * vm.MIPS
		}
	}
	demand /= float64(len(traces[0].Use))
	hosts := 2 * int(math.Round(demand/target/(capacityG4+capacityG5)))
	return w.withHosts(max(2, hosts))
}

// NewFleetOf is NewFleet with a given number of hosts.
func NewFleetOf(traces []Trace, hosts int) *World {
	w := &World{VMs: newVMs(traces)}
	return w.withHosts(hosts)
}

// Capacities of the two host types (HP ProLiant ML110 G4 and G5) in MIPS.
const (
	capacityG4 = 3720.0
	capacityG5 = 5320.0
)

func newVMs(traces []Trace) []VM {
	types := [...]struct{ mips, ram float64 }{{2500, 870}, {2000, 1740}, {1000, 1740}, {500, 613}}
	block := (len(traces) + len(types) - 1) / len(types)
	vms := make([]VM, len(traces))
	for i, t := range traces {
		kind := types[i/block]
		vms[i] = VM{Name: t.Name, MIPS: kind.mips, RAM: kind.ram, Trace: t, MovingTo: -1}
	}
	return vms
}

func (w *World) withHosts(n int) *World {
	w.Capacity, w.Load, w.On = make([]float64, n), make([]float64, n), make([][]int, n)
	for i := range w.Capacity {
		w.Capacity[i] = capacityG4
		if i%2 == 1 {
			w.Capacity[i] = capacityG5
		}
	}
	for i := range w.VMs {
		w.Place(i, i%n)
	}
	return w
}

// Place puts a VM on a host without a migration, before the start.
func (w *World) Place(vm, host int) {
	if old := w.VMs[vm].Host; old != host || len(w.On[old]) > 0 {
		w.On[old] = remove(w.On[old], vm)
	}
	w.VMs[vm].Host = host
	w.On[host] = append(w.On[host], vm)
}

func remove(list []int, x int) []int {
	for i, v := range list {
		if v == x {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}

// MigrationTime is how long a migration of the VM takes.
func (vm *VM) MigrationTime() time.Duration {
	return time.Duration(vm.RAM / MigrationBandwidth * float64(time.Second))
}

// Migrate starts a migration, unless one of the VM is running or it is there
// already or has vanished.
func (w *World) Migrate(vm, to int) {
	v := &w.VMs[vm]
	if v.MovingTo >= 0 || v.Host == to || v.gone {
		return
	}
	v.MovingTo = to
	v.until = w.Now + v.MigrationTime()
	w.moving = append(w.moving, vm)
	w.figures.migrations++
	w.figures.ram += v.RAM
}

// Use is the load of a host as a share of its capacity.
func (w *World) Use(host int) float64 { return w.Load[host] / w.Capacity[host] }

// Run plays the whole trace and returns the figures.
func (w *World) Run(c Controller) Figures {
	w.length = time.Duration(len(w.VMs[0].Trace.Use)) * SampleInterval
	for w.Now = 0; w.Now < w.length; w.Now += Step {
		w.step(c)
		if c != nil {
			c.Control(w)
		}
	}
	return w.figures.total(len(w.VMs), w.length)
}

// Length is how long the traces of the run are.
func (w *World) Length() time.Duration { return w.length }

// noise is a factor for the demand of a VM in this step, of mean 1 and never
// negative; the same whenever it is asked for.
func (w *World) noise(vm int) float64 {
	if w.Noise == 0 {
		return 1
	}
	// The sum of four uniform numbers is near enough to normal.
	z, sum := uint64(vm)<<32|uint64(w.Now/Step), 0.0
	for range 4 {
		z = (z + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		sum += float64(z>>11)/(1<<53) - 0.5
	}
	return max(0, 1+w.Noise*sum*math.Sqrt(3))
}

// step ends what has ended, and computes and counts the load at Now.
func (w *World) step(c Controller) {
	running := w.moving[:0]
	for _, i := range w.moving {
		vm := &w.VMs[i]
		if w.Now < vm.until {
			running = append(running, i)
			continue
		}
		from := vm.Host
		w.Place(i, vm.MovingTo)
		vm.MovingTo = -1
		if c != nil {
			c.Arrived(w, i, from)
		}
	}
	w.moving = running
	clear(w.Load)
	each(len(w.VMs), func(i int) {
		vm := &w.VMs[i]
		vm.Demand = vm.Trace.At(w.Now) * vm.MIPS * w.noise(i)
	})
	demand, lost := 0.0, 0.0
	for i := range w.VMs {
		vm := &w.VMs[i]
		if w.Delete && w.idles(vm) {
			w.vanish(i)
		}
		if vm.gone {
			continue
		}
		demand += vm.Demand
		w.Load[vm.Host] += vm.Demand
		if vm.MovingTo >= 0 {
			w.Load[vm.MovingTo] += migrationCost * vm.Demand
			lost += migrationCost * vm.Demand
		}
	}
	w.figures.count(w, demand, lost)
}

// idles reports whether the VM has no demand from one sample to the next: with a
// sample of zero before and after, and in between all the time.
func (w *World) idles(vm *VM) bool {
	return !vm.gone && vm.MovingTo < 0 && vm.Demand == 0 && w.Now%SampleInterval != 0
}

// vanish takes a VM from the fleet.
func (w *World) vanish(vm int) {
	v := &w.VMs[vm]
	w.On[v.Host] = remove(w.On[v.Host], vm)
	v.gone, v.Host, v.Trace.Use = true, -1, []float64{0}
}

// HostName is what people call a host.
func (w *World) HostName(host int) string {
	if w.Names != nil {
		return w.Names[host]
	}
	return string(hostID(host))
}
