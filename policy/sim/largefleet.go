package sim

// NewLargeFleet makes up a fleet of so many hosts with so many VMs each, the same
// for the same seed. Types and traces of the VMs are those of NewFleet and
// Synthetic; the hosts, of two sizes, are as large as makes their mean load
// about 60 %.
func NewLargeFleet(hosts, vmsEach int, seed uint64) *World {
	const target = 0.6
	w := NewFleetOf(Synthetic(hosts*vmsEach, seed), hosts)
	demand, capacity := 0.0, 0.0
	for _, vm := range w.VMs {
		for _, u := range vm.Trace.Use {
			demand += u * vm.MIPS / float64(len(vm.Trace.Use))
		}
	}
	for _, c := range w.Capacity {
		capacity += c
	}
	for i := range w.Capacity {
		w.Capacity[i] *= demand / capacity / target
	}
	return w
}
