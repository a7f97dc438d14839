package policy_test

import (
	"testing"

	"github.com/virtbalance/virtbalance/policy"
)

func whatIfFleet() policy.Snapshot {
	load := func(cpu policy.MilliCPU, gib policy.Bytes) policy.Load {
		return policy.Load{CPU: cpu, Memory: gib * policy.GiB}
	}
	s := policy.Snapshot{At: start}
	for _, id := range []policy.HostID{"h1", "h2", "h3"} {
		s.Hosts = append(s.Hosts, policy.Host{HostFacts: policy.HostFacts{ID: id, Name: "host-" + string(id), Capacity: load(8000, 32)}})
	}
	for _, d := range []policy.PlacedDomain{
		{Domain: policy.Domain{ID: "big", Demand: load(4000, 8)}, Host: "h1"},
		{Domain: policy.Domain{ID: "small", Demand: load(1000, 2)}, Host: "h1"},
		{Domain: policy.Domain{ID: "gpu", Demand: load(500, 2), Obstacle: policy.Passthrough}, Host: "h1"},
		{Domain: policy.Domain{ID: "wide", Demand: load(500, 30)}, Host: "h1"},
		{Domain: policy.Domain{ID: "busy", Demand: load(5000, 2)}, Host: "h2"},
	} {
		s = s.With(d)
	}
	return s
}

func TestWithoutHost(t *testing.T) {
	s := whatIfFleet()
	p := policy.Planner{Config: policy.DefaultConfig()}
	after, restarts := p.Without(s, []policy.HostID{"h1"})
	if len(s.Hosts) != 3 || len(s.Domains) != 5 || s.Hosts[0].Used.CPU != 6000 {
		t.Error("the snapshot has changed")
	}
	want := map[policy.DomainID]struct {
		to  policy.HostID
		why policy.Reason
	}{
		"big": {"h3", policy.OK}, "small": {"h3", policy.OK}, "gpu": {"", policy.Passthrough}, "wide": {"", policy.NoFeasibleHost},
	}
	if len(restarts) != len(want) {
		t.Errorf("%d restarts: %+v", len(restarts), restarts)
	}
	for _, r := range restarts {
		if w := want[r.Domain]; r.To != w.to || r.Reason != w.why || r.From != "h1" {
			t.Errorf("%+v, want to %q, %s", r, w.to, w.why)
		}
	}
	if err := after.Validate(); err != nil || len(after.Hosts) != 2 || len(after.Domains) != 3 {
		t.Errorf("after: %v, %d hosts, %d domains", err, len(after.Hosts), len(after.Domains))
	}
	if used := after.Hosts[1].Used; used.CPU != 5000 || used.Memory != 10*policy.GiB {
		t.Errorf("h3 uses %+v", used)
	}
	if _, none := p.Without(s, []policy.HostID{"h1", "h2", "h3"}); len(none) != 5 || none[0].Reason != policy.NoFeasibleHost {
		t.Errorf("without any host: %+v", none)
	}
}

func TestNamed(t *testing.T) {
	s := whatIfFleet()
	for _, name := range []string{"h2", "host-h2"} {
		if id, err := s.Named(name); id != "h2" || err != nil {
			t.Errorf("%s: %s, %v", name, id, err)
		}
	}
	if _, err := s.Named("h9"); err == nil {
		t.Error("h9 is there")
	}
	s.Hosts[0].Name = "host-h2"
	if _, err := s.Named("host-h2"); err == nil {
		t.Error("two hosts of one name are one")
	}
}
