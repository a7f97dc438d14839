//go:build lab

package e2e

import (
	"maps"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// What nothing is to be done about.

// TestSpike: a guest wakes up for less than the hold time and takes its host
// above the high mark. The daemon sees it, says that it waits
// whether it lasts, and moves nothing: a migration would have come after the
// spike.
func TestSpike(t *testing.T) {
	s := stage.Settings{Over: 8, Window: 10}
	w := newShow(t, lab.Options{Hosts: 2}, s)
	h1 := w.host("h1")
	w.guest("h1", lab.GuestSpec{Name: "steady", Load: 15, Persistent: true})
	spiky := w.guest("h1", lab.GuestSpec{Name: "spiky", Load: idle, Persistent: true})
	calmed := func() {
		w.Helper()
		w.until(time.Minute, "h1 is calm and knows its domains", func() bool {
			return len(w.domains("h1")) == 2 && w.status("h1").Hold == policy.NotOverloaded
		})
	}
	calmed()
	w.must(w.daemons["h1"].Client.SetPaused(w.ctx, true))
	load := loadFor(w, "h1", wellAbove, spiky)
	calmed()
	w.must(w.daemons["h1"].Client.SetPaused(w.ctx, false))
	calm := w.cpu("h1")

	w.must(spiky.SetLoad(w.ctx, h1, load))
	w.until(time.Minute, "a sample above the high mark", func() bool { return w.status("h1").Hold == policy.Sustaining })
	began := time.Now()
	time.Sleep(2 * time.Second) // not to wait for something: this is the length of the spike
	highest := w.cpu("h1")
	w.must(spiky.SetLoad(w.ctx, h1, idle))
	lasted := time.Since(began)
	forgotten := w.until(time.Minute, "the spike is forgotten", func() bool { return w.status("h1").Hold == policy.NotOverloaded })

	for host := range w.daemons {
		if moves := w.history(host); len(moves) != 0 {
			t.Errorf("%s moved something in or after a spike of %s, hold time %s: %+v", host, lasted, s.Hold(), moves)
		}
	}
	t.Logf("h1 went from %s to %s (smoothed) for %.1f s and said that it waits; hold time %s; forgotten %.1f s after its end",
		calm, highest, lasted.Seconds(), s.Hold(), forgotten.Seconds())
}

// TestNothingMovable: the host is full, and every domain on it has a reason of
// its own to stay. Nothing moves, and the plan names each domain with its
// reason, and each host that was considered with why it was not.
func TestNothingMovable(t *testing.T) {
	w := newShow(t, lab.Options{Hosts: 2}, patient())
	mark := func(child string) string {
		return `<vb:domain xmlns:vb="https://virtbalance.org/domain/1"><vb:` + child + `/></vb:domain>`
	}
	want := map[string]policy.Reason{}
	for _, g := range []struct {
		spec lab.GuestSpec
		why  policy.Reason
	}{
		{lab.GuestSpec{Name: "ignored", Load: 5, Metadata: mark("ignore"), Persistent: true}, policy.IgnoredDomain},
		{lab.GuestSpec{Name: "pinned", Load: 5, Metadata: mark("pin"), Persistent: true}, policy.PinnedDomain},
		{lab.GuestSpec{Name: "transient", Load: 5}, policy.Transient},
		{lab.GuestSpec{Name: "bound", Load: 5, Extra: "<cputune><vcpupin vcpu='0' cpuset='0-1'/></cputune>", Persistent: true}, policy.PinnedDomain},
		{lab.GuestSpec{
			Name: "nova", Load: 5, Persistent: true,
			Metadata: `<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:name>x</nova:name></nova:instance>`,
		}, policy.ManagedElsewhere},
		// May grow to 960 MiB; a host of 1 GiB gives 90 % at most.
		{lab.GuestSpec{Name: "big", Load: 5, MemoryMiB: 960, FillMiB: -1, Persistent: true}, policy.NoFeasibleHost},
	} {
		w.guest("h1", g.spec)
		want[g.spec.Name] = g.why
	}
	w.must(w.lab.Guest("ignored").SetLoad(w.ctx, w.host("h1"), 100)) // more than all that the host has

	var stay map[string]policy.Reason
	defer func() {
		if t.Failed() {
			t.Logf("said last: %v, want %v", stay, want)
		}
	}()
	w.until(time.Minute, "h1 says of each domain why it stays", func() bool {
		plan, err := w.daemons["h1"].Client.Plan(w.ctx)
		w.must(err)
		if len(plan.Plan) != 0 {
			t.Fatalf("the plan moves %+v", plan.Plan)
		}
		stay = map[string]policy.Reason{}
		hosts := map[string]policy.Reason{}
		for _, v := range plan.Verdicts {
			if v.Host != "" {
				hosts[v.Name+" to "+plan.HostNames[v.Host]] = v.Reason
				continue
			}
			stay[v.Name] = v.Reason
		}
		told := w.status("h1").Hold == policy.NoFeasibleHost && maps.Equal(stay, want) && hosts["big to h2"] == policy.HostMemory
		if told {
			t.Logf("they stay: %v; %v", stay, hosts)
		}
		return told
	})

	time.Sleep(5 * time.Second) // in which something might move
	for host := range w.daemons {
		if moves := w.history(host); len(moves) != 0 {
			t.Errorf("%s moved %+v", host, moves)
		}
	}
}
