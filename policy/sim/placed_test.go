package sim_test

import (
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/policy/sim"
)

const placedNodes = "node,pcpu,mem_mib\nhv1,8,8192\nhv2,8,8192\n"

func TestFleetFromSnapshot(t *testing.T) {
	s, err := sim.ReadFleet(strings.NewReader(placedNodes), strings.NewReader("vm,node,vcpus,mem_mib,cpu_cores\nweb,hv2,4,4096,3.0\ndb,hv2,2,1024,2.5\ncache,hv1,1,512,0\n"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := sim.NewFleetFrom(s, []sim.Trace{{Name: "a", Use: []float64{1}}, {Name: "b", Use: []float64{0.5}}})
	if err != nil {
		t.Fatal(err)
	}
	w.Run(nil)
	// web and cache follow the first trace, db the second; db uses more than
	// its vCPUs, so it has three.
	if w.Load[0] != 1000 || w.Load[1] != 4000+1500 || w.Capacity[1] != 8000 || w.HostName(1) != "hv2" || w.VMs[0].RAM != 4096 {
		t.Errorf("loads %v of %v; %+v", w.Load, w.Capacity, w.VMs)
	}
	s.Domains = nil
	if w, err = sim.NewFleetFrom(s, flat(5, 1)); err != nil || len(w.On[0]) != 3 || len(w.On[1]) != 2 {
		t.Errorf("without domains: %v, %v", w.On, err)
	}
	s.Hosts = s.Hosts[:1]
	if _, err := sim.NewFleetFrom(s, flat(5, 1)); err == nil {
		t.Error("one host is taken for a fleet")
	}
}

// A host that is hot keeps its domains if the other has no memory for them.
func TestDaemonsHeedMemory(t *testing.T) {
	for mem, moves := range map[string]bool{"1024": true, "6144": false} {
		s, err := sim.ReadFleet(strings.NewReader(placedNodes), strings.NewReader(
			"vm,node,vcpus,mem_mib,cpu_cores\na,hv1,3,"+mem+",3\nb,hv1,3,"+mem+",3\nc,hv1,2,"+mem+",2\nd,hv2,1,4096,1\n"))
		if err != nil {
			t.Fatal(err)
		}
		w, err := sim.NewFleetFrom(s, flat(4, 1))
		if err != nil {
			t.Fatal(err)
		}
		f := w.Run(sim.NewDaemons(w, sim.DaemonOptions()))
		if (f.Migrations > 0) != moves {
			t.Errorf("domains of %s MiB: %v migrations a day, moves %v", mem, f.Migrations, moves)
		}
	}
}
