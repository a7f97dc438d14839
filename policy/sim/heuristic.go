package sim

import (
	"cmp"
	"slices"
)

// FirstFit is CloudSim's simple allocation: each VM to the first host that has
// its full size, and no migration ever (DVFS, NPA).
type FirstFit struct{}

// Start implements Consolidator.
func (FirstFit) Start(d *DataCenter, vm int) int {
	for h := range d.hosts {
		if d.room(h, vm) {
			return h
		}
	}
	return -1
}

// Round implements Consolidator.
func (FirstFit) Round(*DataCenter) []Transfer { return nil }

// room reports whether the host has the full size of the VM left: RAM, MIPS, and
// a core that is fast enough.
func (d *DataCenter) room(h, vm int) bool {
	const ram = 4096
	m, v := &d.hosts[h], &d.vms[vm]
	usedRAM, usedMIPS := v.ram, v.mips
	for _, i := range m.on {
		usedRAM += d.vms[i].ram
		usedMIPS += min(m.core, d.vms[i].mips)
	}
	return v.mips <= m.core && usedRAM <= ram && usedMIPS <= m.capacity
}

// MMT is Beloglazov and Buyya's heuristic of minimum migration time with PABFD:
// overloaded hosts give away the VMs with the least RAM; what was evicted goes, by
// decreasing demand, to the host whose power rises least; then hosts are emptied,
// the least loaded first, if all their VMs find room.
//
// Hosts that have just been chosen for evicted VMs may be emptied in the same
// round, those VMs included, which then migrate twice at once. That is what
// CloudSim 3.0.3 does, whose getMigrationMapFromUnderUtilizedHosts means to leave
// such hosts out but looks for them in a list that is still empty. Without it the
// energy comes out 6 % higher.
type MMT struct {
	Overloaded OverloadTest

	past [][]float64 // use of each VM, in MIPS, newest first
	// of one round:
	history   [][historyLength]float64 // of the VMs of each host, in MIPS
	load      []float64                // requested MIPS with the round's moves
	available []float64
	base      []float64 // power as last measured
	evicted   [][]int   // VMs that were given a new host, by that host
}

func (t *MMT) begin(d *DataCenter) {
	t.load, t.available, t.base = make([]float64, len(d.hosts)), make([]float64, len(d.hosts)), make([]float64, len(d.hosts))
	t.history = make([][historyLength]float64, len(d.hosts))
	if t.past == nil {
		t.past = make([][]float64, len(d.vms))
	}
	for h := range d.hosts {
		m := &d.hosts[h]
		t.base[h] = m.power(m.use)
		t.available[h] = m.capacity
		for _, i := range m.on {
			t.load[h] += d.vms[i].demand
			t.available[h] -= min(m.core, d.vms[i].demand)
			t.remember(i, h, 1)
		}
	}
}

// remember adds the past of a VM to the history of a host, or takes it away.
func (t *MMT) remember(vm, host int, sign float64) {
	for k, use := range t.past[vm] {
		t.history[host][k] += sign * use
	}
}

// sample adds the present to the past.
func (t *MMT) sample(d *DataCenter) {
	for i := range d.vms {
		if vm := &d.vms[i]; !vm.gone {
			past := slices.Insert(t.past[i], 0, vm.demand)
			t.past[i] = past[:min(len(past), historyLength)]
		}
	}
}

// overloaded asks of a host with the round's moves, and with a VM more if that is
// not negative.
func (t *MMT) overloaded(d *DataCenter, h, vm int) bool {
	history, load, capacity := t.history[h], t.load[h], d.hosts[h].capacity
	if vm >= 0 {
		load += d.vms[vm].demand
		for k, use := range t.past[vm] {
			history[k] += use
		}
	}
	length := historyLength
	for length > 0 && history[length-1] < 1e-6 { // CloudSim leaves out zeros at the end
		length--
	}
	for k := range history[:length] {
		history[k] /= capacity
	}
	return t.Overloaded(load/capacity, history[:length])
}

// Start implements Consolidator. VMs that were placed before ask for nothing
// until the first event, so they overload no host; what they were allocated
// still counts as taken, and as use for the power, whose base is that of idle
// hosts.
func (t *MMT) Start(d *DataCenter, vm int) int {
	t.begin(d)
	clear(t.load)
	return t.find(d, vm, func(h int) bool { return !d.room(h, vm) })
}

// find is the host whose power rises least.
func (t *MMT) find(d *DataCenter, vm int, excluded func(int) bool) int {
	best, least := -1, 0.0
	demand := d.vms[vm].demand
	for h := range d.hosts {
		m := &d.hosts[h]
		if demand > m.core || demand > t.available[h] {
			continue
		}
		rise := m.power((m.capacity-t.available[h]+demand)/m.capacity) - t.base[h]
		if best >= 0 && rise >= least || excluded(h) || t.load[h] > 0 && t.overloaded(d, h, vm) {
			continue
		}
		best, least = h, rise
	}
	return best
}

func (t *MMT) put(d *DataCenter, vm, host int, sign float64) {
	t.load[host] += sign * d.vms[vm].demand
	t.available[host] -= sign * min(d.hosts[host].core, d.vms[vm].demand)
	t.remember(vm, host, sign)
}

// Round implements Consolidator.
func (t *MMT) Round(d *DataCenter) []Transfer {
	t.sample(d)
	t.begin(d)
	over := make([]bool, len(d.hosts))
	var evicted []int
	for h := range d.hosts {
		if !t.overloaded(d, h, -1) {
			continue
		}
		over[h] = true
		left := slices.Clone(d.hosts[h].on)
		for len(left) > 0 && t.overloaded(d, h, -1) {
			least := 0
			for i := range left {
				if d.vms[left[i]].ram < d.vms[left[least]].ram {
					least = i
				}
			}
			evicted = append(evicted, left[least])
			t.put(d, left[least], h, -1)
			left = slices.Delete(left, least, least+1)
		}
	}
	byDemand := func(a, b int) int { return cmp.Compare(d.vms[b].demand, d.vms[a].demand) }
	slices.SortStableFunc(evicted, byDemand)
	var transfers []Transfer
	t.evicted = make([][]int, len(d.hosts))
	for _, vm := range evicted {
		if to := t.find(d, vm, func(h int) bool { return over[h] }); to >= 0 {
			t.put(d, vm, to, 1)
			t.evicted[to] = append(t.evicted[to], vm)
			transfers = append(transfers, Transfer{vm, to})
		}
	}
	return append(transfers, t.empty(d, over)...)
}

// empty moves all VMs off the least loaded hosts, one host after the other.
func (t *MMT) empty(d *DataCenter, over []bool) []Transfer {
	var transfers []Transfer
	receiving := make([]bool, len(d.hosts))
	closed := slices.Clone(over)
	var order []int
	for h := range d.hosts {
		if d.hosts[h].use == 0 {
			closed[h] = true
		} else if !over[h] {
			order = append(order, h)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.hosts[a].use, d.hosts[b].use) })
	for _, h := range order {
		if receiving[h] {
			continue
		}
		closed[h] = true
		vms := slices.Concat(d.hosts[h].on, t.evicted[h])
		slices.SortStableFunc(vms, func(a, b int) int { return cmp.Compare(d.vms[b].demand, d.vms[a].demand) })
		var placed []Transfer
		for _, vm := range vms {
			to := t.find(d, vm, func(h int) bool { return closed[h] })
			if to < 0 {
				break
			}
			t.put(d, vm, to, 1)
			placed = append(placed, Transfer{vm, to})
		}
		if len(placed) < len(vms) {
			for _, p := range placed {
				t.put(d, p.VM, p.To, -1)
			}
			continue
		}
		for _, p := range placed {
			receiving[p.To] = true
		}
		transfers = append(transfers, placed...)
	}
	return transfers
}
