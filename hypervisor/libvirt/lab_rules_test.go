//go:build lab

package libvirt_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/libvirt"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

// ruled waits until a sample shows the rules.
func ruled(t *testing.T, a *adapter, id policy.DomainID, want policy.Rules) {
	t.Helper()
	until(t, "the rules of "+string(id)+" to show in a sample", func() bool {
		d, ok := find(t, a, id)
		return ok && reflect.DeepEqual(d.Rules, want)
	})
}

// TestLabRulesAndMoves: rules that are written while a domain stands still and while
// it migrates; and who has come by a migration says so, who was started does not.
func TestLabRulesAndMoves(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	const note = `<x:note xmlns:x="urn:x">mine</x:note>`
	_, defined := guest(t, l.Host("h1"), lab.GuestSpec{Name: "defined", MemoryMiB: 64, FillMiB: 48, Persistent: true, Metadata: note})
	_, transient := guest(t, l.Host("h1"), lab.GuestSpec{Name: "transient", MemoryMiB: 64, FillMiB: 48})
	o := libvirt.Options{MoveTransient: true}
	from, to := connect(t, l.Host("h1"), o), connect(t, l.Host("h2"), o)

	first := policy.Rules{
		Requires: []string{"ssd"}, Priority: 3,
		Groups: []policy.Membership{{Rule: policy.AntiAffinity, Group: "db"}, {Rule: policy.Affinity, Group: "shop", Soft: true}},
	}
	second := policy.Rules{Requires: []string{"licence"}}
	for name, id := range map[string]policy.DomainID{"defined": defined, "transient": transient} {
		if d, ok := find(t, from, id); !ok || d.Immigrated {
			t.Errorf("%s was started here: found %t, %+v", name, ok, d)
		}
		if err := from.SetRules(t.Context(), id, first); err != nil {
			t.Fatal(err)
		}
		ruled(t, from, id, first)
	}
	for _, args := range [][]string{{"dumpxml", "defined"}, {"dumpxml", "--inactive", "defined"}} {
		if xml := virsh(t, from.host, args...); !strings.Contains(xml, "urn:x") || !strings.Contains(xml, "anti-affinity") {
			t.Errorf("%s:\n%s", strings.Join(args, " "), xml)
		}
	}

	for name, id := range map[string]policy.DomainID{"defined": defined, "transient": transient} {
		outcome := begin(t, from, hypervisor.Transfer{Domain: id, URI: to.host.MigrationURI(), Bandwidth: 8 * policy.MiB})
		if d, ok := find(t, to, id); ok && d.Immigrated && d.Job == policy.MigratingIn {
			t.Errorf("%s has not come yet: %+v", name, d)
		}
		// libvirt has the write wait for the migration, and then finds nobody.
		want, err := second, from.SetRules(t.Context(), id, second)
		t.Logf("%s: rules written while it migrates: %v", name, err)
		if err != nil {
			want = first
		}
		if out := <-outcome; out.Result != policy.Succeeded {
			t.Fatalf("%s: outcome: %+v", name, out)
		}
		until(t, name+" to be seen as come by a migration", func() bool {
			d, ok := find(t, to, id)
			return ok && d.Immigrated && d.Job == policy.NoJob
		})
		ruled(t, to, id, want) // what was refused is not there, what was not is
		if err := to.SetRules(t.Context(), id, first); err != nil {
			t.Errorf("%s: rules on the target: %v", name, err)
		}
		ruled(t, to, id, first)
	}

	// A person brings one back, and the adapter there is new.
	virsh(t, to.host, "migrate", "--live", "--p2p", "--persistent", "--undefinesource", "defined", from.host.MigrationURI())
	heir := connect(t, from.host, o)
	if d, ok := find(t, heir, defined); !ok || !d.Immigrated {
		t.Errorf("brought by hand: found %t, %+v", ok, d)
	}
	ruled(t, heir, defined, first)
	virsh(t, from.host, "suspend", "defined")
	virsh(t, from.host, "resume", "defined")
	if d, ok := find(t, heir, defined); !ok || d.Immigrated {
		t.Errorf("after a pause libvirt does not say any more that it was brought: found %t, %+v", ok, d)
	}
}
