package sim

import (
	"math"
	"slices"

	"github.com/virtbalance/virtbalance/policy"
)

// Packing has the policy's planner consolidate a DataCenter. RAM constrains
// nothing after the start, as the experiment has it.
type Packing struct {
	Planner policy.Planner
	How     policy.Consolidation
	// Window is over how many rounds back a VM's peak counts as its demand.
	Window int

	recent [][]float64
}

// Start implements Consolidator: the fullest host that has room for the VM's
// full size, the larger first.
func (p *Packing) Start(d *DataCenter, vm int) int {
	best, bestRoom := -1, math.Inf(1)
	for h := range d.hosts {
		if !d.room(h, vm) {
			continue
		}
		room := d.hosts[h].capacity
		for _, i := range d.hosts[h].on {
			room -= min(d.hosts[h].core, d.vms[i].mips)
		}
		if d.hosts[h].capacity < capacityG5 {
			room += 1e6
		}
		if room < bestRoom {
			best, bestRoom = h, room
		}
	}
	return best
}

// Round implements Consolidator.
func (p *Packing) Round(d *DataCenter) []Transfer {
	if p.recent == nil {
		p.recent = make([][]float64, len(d.vms))
	}
	var s policy.Snapshot
	s.At = epoch
	for h := range d.hosts {
		host := policy.Host{}
		host.ID = hostID(h)
		host.Capacity = policy.Load{CPU: millis(d.hosts[h].capacity), Memory: math.MaxInt64 / 4}
		s.Hosts = append(s.Hosts, host)
	}
	for i := range d.vms {
		vm := &d.vms[i]
		if vm.gone {
			continue
		}
		p.recent[i] = append(p.recent[i], vm.demand)
		p.recent[i] = p.recent[i][max(0, len(p.recent[i])-p.Window):]
		dom := policy.PlacedDomain{Host: hostID(vm.host)}
		dom.ID, dom.Known = domainID(i), true
		dom.Demand.CPU = millis(vm.demand)
		dom.Trend = millis(slices.Max(p.recent[i])) - dom.Demand.CPU
		s.Hosts[vm.host].Used.CPU += dom.Demand.CPU + dom.Trend
		s.Domains = append(s.Domains, dom)
	}
	var transfers []Transfer
	for _, m := range p.Planner.Consolidate(s, p.How).Moves {
		transfers = append(transfers, Transfer{vmIndex(m.Domain), hostIndex(m.To)})
	}
	return transfers
}
