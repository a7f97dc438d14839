package policy

import (
	"slices"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	host := func(id HostID, used MilliCPU, with func(*Host)) Host {
		h := Host{
			HostFacts: HostFacts{ID: id, Capacity: Load{CPU: 10_000, Memory: 100 * GiB}, Labels: []string{"ssd"}},
			HostState: HostState{Used: Load{CPU: used, Memory: 10 * GiB}}, Received: now,
		}
		if with != nil {
			with(&h)
		}
		return h
	}
	v := View{Now: now, Self: "a", Hosts: []Host{
		host("a", 400, nil),
		host("b", 6000, nil),
		host("c", 0, func(h *Host) { h.Flags = Cordoned }),
		host("d", 0, func(h *Host) { h.Labels = nil }),
		host("e", 0, func(h *Host) { h.Received = now.Add(-time.Hour) }),
		host("f", 0, func(h *Host) { h.Used.Memory = 89 * GiB }),
	}}
	got := DefaultConfig().Find(v, Load{CPU: 2000, Memory: 4 * GiB}, []string{"ssd"})
	want := []Room{
		{"a", OK, 3},
		{"b", HostOverReceive, 0},
		{"c", HostCordoned, 0},
		{"d", LabelMissing, 0},
		{"e", HostStale, 0},
		{"f", HostMemory, 0},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
