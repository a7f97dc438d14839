package sim

import (
	"cmp"
	"math"
	"slices"
)

// DataCenter is the consolidation experiment as CloudSim 3.0.3 does it, for
// comparison with what has been published with it: 800 hosts of two types, RAM
// that constrains nothing after the start, a control round each 300 s, and
// migrations that take RAM / 62.5 MB/s.
//
// With Delete, a VM whose demand is exactly zero at an event vanishes for good,
// as in CloudSim (Cloudslab/cloudsim#64, #159): "compat" in docs/benchmarks.md.
// Without it all VMs are kept: "keepvms".
type DataCenter struct {
	Delete bool
	hosts  []machine
	vms    []instance
	now    float64 // seconds
	result Consolidated

	requested, degraded float64 // MIPS seconds of all VMs, and those lost to migrations
	violated, active    float64 // host seconds
	joules              float64
}

// machine is one host.
type machine struct {
	core, capacity float64 // MIPS
	watts          *[11]float64
	on             []int // VMs, in the order of their arrival
	arriving       []int
	// as of the last event:
	use       float64 // share of the capacity that is counted as used
	violating bool
	active    bool
}

// instance is one VM.
type instance struct {
	mips, ram float64
	trace     []float64
	host      int
	movingTo  int
	gone      bool
	demand    float64
	requested float64 // as of the last event
	lost      float64 // of it, to a migration
}

// Consolidated are the figures of a run.
type Consolidated struct {
	KWh        float64 `json:"kwh"`
	Migrations int     `json:"migrations"`
	// SLATAH is the share of the active hosts' time in which they did not give
	// all that was requested; PDM the share of all demand lost to migrations.
	SLATAH float64 `json:"slatah"`
	PDM    float64 `json:"pdm"`
	// ESV is KWh x SLATAH x PDM.
	ESV       float64 `json:"esv"`
	Shutdowns int     `json:"shutdowns"`
}

// Consolidator decides in each round.
type Consolidator interface {
	// Start places a VM before the first event; -1 if nowhere.
	Start(d *DataCenter, vm int) int
	// Round returns the migrations to start: VM to host.
	Round(d *DataCenter) []Transfer
}

// Transfer is one migration.
type Transfer struct{ VM, To int }

var (
	wattsG4 = [11]float64{86, 89.4, 92.6, 96, 99.5, 102, 106, 108, 112, 114, 117}
	wattsG5 = [11]float64{93.7, 97, 101, 105, 110, 116, 121, 125, 129, 133, 135}
)

// power is the power of a machine at a utilization, linear between the tenths
// that SPECpower measured.
func (m *machine) power(use float64) float64 {
	u := min(1, max(0, use)) * 10
	i := int(u)
	if i >= 10 {
		return m.watts[10]
	}
	return m.watts[i] + (u-float64(i))*(m.watts[i+1]-m.watts[i])
}

// NewDataCenter builds the 800 hosts for the traces of a day.
func NewDataCenter(traces []Trace, remove bool) *DataCenter {
	d := &DataCenter{Delete: remove, hosts: make([]machine, 800)}
	for i := range d.hosts {
		d.hosts[i] = machine{core: 1860, capacity: capacityG4, watts: &wattsG4}
		if i%2 == 1 {
			d.hosts[i] = machine{core: 2660, capacity: capacityG5, watts: &wattsG5}
		}
	}
	for _, vm := range newVMs(traces) {
		d.vms = append(d.vms, instance{mips: vm.MIPS, ram: vm.RAM, trace: vm.Trace.Use, host: -1, movingTo: -1})
	}
	return d
}

// Run plays a day. With everOn, all hosts draw full power all the time (no
// power awareness at all, CloudSim's NPA).
func (d *DataCenter) Run(c Consolidator, everOn bool) Consolidated {
	const first, period, rounds = 0.1, 300.0, 288
	for i := range d.vms {
		d.vms[i].demand = d.vms[i].mips // what it asks for before it runs
		if to := c.Start(d, i); to >= 0 {
			d.vms[i].host = to
			d.hosts[to].on = append(d.hosts[to].on, i)
		} else {
			d.vms[i].gone = true
		}
	}
	d.now = first
	d.measure()
	d.vanish()
	for k := range rounds {
		if k > 0 {
			d.advance(first+float64(k)*period, everOn)
			d.vanish()
		}
		d.migrate(c.Round(d), everOn)
	}
	d.result.KWh = d.joules / 3.6e6
	d.result.SLATAH = d.violated / d.active
	d.result.PDM = d.degraded / d.requested
	d.result.ESV = d.result.KWh * d.result.SLATAH * d.result.PDM
	return d.result
}

// migrate starts the migrations and plays until all have ended.
func (d *DataCenter) migrate(transfers []Transfer, everOn bool) {
	begun := d.now
	for _, t := range transfers {
		d.vms[t.VM].movingTo = t.To
		d.hosts[t.To].arriving = append(d.hosts[t.To].arriving, t.VM)
		d.result.Migrations++
	}
	d.measure()
	slices.SortStableFunc(transfers, func(a, b Transfer) int { return cmp.Compare(d.vms[a.VM].ram, d.vms[b.VM].ram) })
	for i := 0; i < len(transfers); {
		ram := d.vms[transfers[i].VM].ram
		d.advance(begun+ram/MigrationBandwidth, everOn)
		for ; i < len(transfers) && d.vms[transfers[i].VM].ram == ram; i++ {
			t := transfers[i]
			vm := &d.vms[t.VM]
			d.hosts[vm.host].on = remove(d.hosts[vm.host].on, t.VM)
			d.hosts[t.To].arriving = remove(d.hosts[t.To].arriving, t.VM)
			d.hosts[t.To].on = append(d.hosts[t.To].on, t.VM)
			vm.host, vm.movingTo = t.To, -1
		}
		d.measure()
		d.vanish()
	}
}

// advance plays until a time, and accounts for what lies between by the state
// that was measured last.
func (d *DataCenter) advance(to float64, everOn bool) {
	dt := to - d.now
	before := make([]float64, len(d.hosts))
	for i := range d.hosts {
		h := &d.hosts[i]
		before[i] = h.use
		if h.violating {
			d.violated += dt
		}
		if h.active {
			d.active += dt
		}
	}
	for i := range d.vms {
		if vm := &d.vms[i]; !vm.gone {
			d.requested += vm.requested * dt
			d.degraded += vm.lost * dt
		}
	}
	d.now = to
	d.measure()
	for i := range d.hosts {
		h := &d.hosts[i]
		switch {
		case everOn:
			d.joules += h.watts[10] * dt
		case before[i] > 0:
			d.joules += (h.power(before[i]) + h.power(h.use)) / 2 * dt
		}
	}
}

// measure computes demand, allocation and use at the present time.
func (d *DataCenter) measure() {
	k := int(d.now / 300)
	part := d.now/300 - float64(k)
	for i := range d.vms {
		if vm := &d.vms[i]; !vm.gone {
			u, next := vm.trace[min(k, len(vm.trace)-1)], vm.trace[min(k+1, len(vm.trace)-1)]
			vm.demand = (u + part*(next-u)) * vm.mips
		}
	}
	for i := range d.hosts {
		d.measureHost(&d.hosts[i])
	}
}

// measureHost deals the host's CPU out. A VM on
// its way runs with 90 % of its share at the source, and the target is charged
// 10 % of its demand.
func (d *DataCenter) measureHost(h *machine) {
	ask := 0.0
	for _, i := range h.on {
		ask += min(h.core, d.vms[i].demand)
	}
	for _, i := range h.arriving {
		ask += migrationCost * min(h.core, d.vms[i].demand)
	}
	scale := 1.0
	if ask > h.capacity {
		scale = h.capacity / ask
	}
	allocated, requested := 0.0, 0.0
	for _, i := range h.on {
		vm := &d.vms[i]
		got := min(h.core, vm.demand) * scale
		if scale < 1 {
			got = math.Floor(got)
		}
		vm.requested, vm.lost = vm.demand, 0
		if vm.movingTo >= 0 {
			vm.lost = vm.demand - (1-migrationCost)*got
		}
		allocated += got
		requested += vm.demand
	}
	for _, i := range h.arriving {
		allocated += migrationCost * min(h.core, d.vms[i].demand) * scale
		requested += d.vms[i].demand
	}
	was := h.active
	h.use = allocated / h.capacity
	h.active = allocated > 0
	h.violating = allocated < requested-1e-6
	if was && !h.active {
		d.result.Shutdowns++
	}
}

// vanish removes the VMs that CloudSim takes for finished.
func (d *DataCenter) vanish() {
	if !d.Delete {
		return
	}
	for i := range d.vms {
		if vm := &d.vms[i]; !vm.gone && vm.movingTo < 0 && vm.demand == 0 {
			vm.gone = true
			d.hosts[vm.host].on = remove(d.hosts[vm.host].on, i)
		}
	}
}
