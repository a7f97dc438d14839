package sim_test

import (
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

const nodes = "node,pcpu,mem_mib\na,10,65536\nb,10,65536\n"

func TestReadFleet(t *testing.T) {
	s, err := sim.ReadFleet(strings.NewReader(nodes), strings.NewReader("vm,node,vcpus,mem_mib,cpu_cores\nx,a,8,4096,5.5\ny,a,4,2048,3.25\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Hosts) != 2 || s.Hosts[0].Used != (policy.Load{CPU: 8750, Memory: 6 * policy.GiB}) || s.Hosts[0].Running != 2 || s.Domains[1].Host != "a" {
		t.Errorf("read %+v", s)
	}
	plan := policy.Planner{Config: policy.DefaultConfig()}.Plan(s)
	r := sim.Replay(s, plan.Moves)
	if n, gib := r.Until(func(b policy.Balance) bool { return b.Overloaded == 0 }); n != 1 || gib != 2 && gib != 4 {
		t.Errorf("no host is overloaded after %d moves and %v GiB", n, gib)
	}
	if n, _ := r.Until(func(policy.Balance) bool { return false }); n != -1 {
		t.Errorf("what never holds holds after %d moves", n)
	}
	if r.Final.Hosts[0].Used.CPU+r.Final.Hosts[1].Used.CPU != 8750 || s.Hosts[1].Used.CPU != 0 {
		t.Error("load was lost, or the snapshot changed")
	}
}

func TestReadFleetFaults(t *testing.T) {
	for vms, want := range map[string]string{
		"vm,node\n":                    `wrong number of fields`,
		"vm,node,vcpus,mem_mib,cpus\n": `the header is "vm,node,vcpus,mem_mib,cpus"`,
		"vm,node,vcpus,mem_mib,cpu_cores\nx,z,1,1,1\n": "line 2: there is no node z",
		"vm,node,vcpus,mem_mib,cpu_cores\nx,a,1,1,y\n": "line 2:",
	} {
		if _, err := sim.ReadFleet(strings.NewReader(nodes), strings.NewReader(vms)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", vms, err, want)
		}
	}
}
