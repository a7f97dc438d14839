package tests

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// The matrix asks each host and books nothing: full hosts and cooling domains
// count, what cannot be counts, and a host that does not answer is said to be.
func TestMatrix(t *testing.T) {
	spec := hosts(4)
	spec.Domains[0].Obstacle = policy.Passthrough // a1
	for i := range spec.Domains {
		spec.Domains[i].CPU = fake.Passthrough
	}
	for i := range spec.Hosts {
		if spec.Hosts[i].Name == "h2" {
			spec.Hosts[i].CPUModel = "Another" // only guests with host-passthrough mind
		}
	}
	inFleet(t, spec, func(f *fleet) {
		time.Sleep(settled)
		// h3 is full, which is left aside, and is not to give anything away.
		if err := f.host("h3").daemon().SetPaused(f.t.Context(), true); err != nil {
			f.t.Fatal(err)
		}
		f.heat("a3", 7000)
		time.Sleep(settled)
		f.partition("h4")
		m, err := f.host("h1").daemon().Matrix(f.t.Context(), "")
		if err != nil {
			f.t.Fatal(err)
		}
		if m.On.Name != "h1" || len(m.Hosts) != 3 || len(m.Rows) != 3 {
			t.Fatalf("%+v", m)
		}
		want := map[string]policy.Reason{"h2": policy.CPUIncompatible, "h3": policy.OK, "h4": policy.Unreachable}
		for _, row := range m.Rows {
			if row.Name == "a1" {
				if row.Stays != policy.Passthrough || len(row.Cells) != 0 {
					t.Errorf("a1: %+v", row)
				}
				continue
			}
			if row.Stays != policy.OK || len(row.Cells) != 3 {
				t.Errorf("%s: %+v", row.Name, row)
				continue
			}
			for i, h := range m.Hosts {
				if row.Cells[i].Reason != want[h.Name] {
					t.Errorf("%s to %s: %+v, want %s", row.Name, h.Name, row.Cells[i], want[h.Name])
				}
			}
		}
		for _, name := range []string{"h2", "h3"} {
			if p := f.host(name).self().Promised; p != (policy.Load{}) {
				t.Errorf("%s has promised %+v", name, p)
			}
		}
		if one, err := f.host("h1").daemon().Matrix(f.t.Context(), "b1"); err != nil || len(one.Rows) != 1 || one.Rows[0].Name != "b1" {
			t.Errorf("of b1: %+v, %v", one, err)
		}
		if _, err := f.host("h1").daemon().Matrix(f.t.Context(), "nobody"); err == nil {
			t.Error("a domain that is not here has a row")
		}
	})
}
