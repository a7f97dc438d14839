package sim

import (
	"fmt"
	"math"

	"github.com/virtbalance/virtbalance/policy"
)

// NewFleetFrom builds a fleet from a snapshot: its hosts with their memory, and
// its domains on them. A domain at full load uses all of its vCPUs, one of which
// is 1000 MIPS; the traces are dealt out to the domains in turn, from the first
// again when there are more domains. A fleet without domains gets those that
// NewFleet makes of the traces, dealt to the hosts in turn.
func NewFleetFrom(s policy.Snapshot, traces []Trace) (*World, error) {
	if len(s.Hosts) < 2 {
		return nil, fmt.Errorf("the fleet has %d hosts, and it takes two to balance", len(s.Hosts))
	}
	w := &World{VMs: newVMs(traces)}
	index := map[policy.HostID]int{}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		index[h.ID] = i
		name := h.Name
		if name == "" {
			name = string(h.ID)
		}
		w.Names = append(w.Names, name)
		w.Capacity = append(w.Capacity, float64(h.Capacity.CPU))
		w.Memory = append(w.Memory, float64(h.Capacity.Memory/policy.MiB))
	}
	w.Load, w.On = make([]float64, len(s.Hosts)), make([][]int, len(s.Hosts))
	if len(s.Domains) > 0 {
		w.VMs = make([]VM, len(s.Domains))
	}
	for i := range s.Domains {
		d := &s.Domains[i]
		name := d.Name
		if name == "" {
			name = string(d.ID)
		}
		vcpus := max(1, d.VCPUs, int(math.Ceil(float64(d.Demand.CPU)/1000)))
		w.VMs[i] = VM{
			Name: name, MIPS: 1000 * float64(vcpus), RAM: float64(max(d.MemoryMax, d.Demand.Memory) / policy.MiB),
			Trace: traces[i%len(traces)], MovingTo: -1,
		}
	}
	for i := range w.VMs {
		host := i % len(s.Hosts)
		if len(s.Domains) > 0 {
			host = index[s.Domains[i].Host] // Validate has seen to it that it is there
		}
		w.Place(i, host)
	}
	return w, nil
}
