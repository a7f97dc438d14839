package policy_test

import (
	"fmt"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
)

// largeView is a host with 100 domains, overloaded, in a fleet of 1000 whose
// other hosts use a share of their CPU.
func largeView(share float64) policy.View {
	v := policy.View{Now: start, Self: "h0000", Conditions: policy.Conditions{Mode: policy.AutoMode, Known: 1000}}
	for i := range 1000 {
		h := policy.Host{Received: start}
		h.ID = policy.HostID(fmt.Sprintf("h%04d", i))
		h.Capacity = policy.Load{CPU: 64000, Memory: 512 * policy.GiB}
		h.Used.CPU = policy.MilliCPU(share * 64000)
		v.Hosts = append(v.Hosts, h)
	}
	v.Hosts[0].Used.CPU = 60000
	for i := range 100 {
		d := policy.Domain{VCPUs: 2, Known: true, Demand: policy.Load{CPU: policy.MilliCPU(550 + i), Memory: 4 * policy.GiB}, MemoryMax: 4 * policy.GiB}
		d.ID = policy.DomainID(fmt.Sprintf("d%03d", i))
		v.Domains = append(v.Domains, d)
	}
	observe(&v)
	return v
}

func benchmarkDecide(b *testing.B, share float64, moves int) {
	v := largeView(share)
	p := policy.Policy{Config: eager()}
	p.Config.MaxMoves = 1
	if d, _ := p.Decide(v, policy.State{}); len(d.Plan) != moves {
		b.Fatalf("%d moves", len(d.Plan))
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(v, policy.State{})
	}
}

// 100 domains, 1000 hosts that can take any of them.
func BenchmarkDecide(b *testing.B) { benchmarkDecide(b, 0.3, 1) }

// The same, but every host is too full for every domain, and not for nothing.
func BenchmarkDecideNothingFits(b *testing.B) { benchmarkDecide(b, 0.635, 0) }

// Most of the time there is nothing to do.
func BenchmarkDecideAtRest(b *testing.B) {
	v := largeView(0.3)
	v.Hosts[0].Used.CPU = 10000
	observe(&v)
	p := policy.Policy{Config: eager()}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(v, policy.State{})
	}
}

// A person asks what it would take, where nothing of what is tried would do.
func BenchmarkInstead(b *testing.B) {
	v := largeView(0.635)
	p := policy.Policy{Config: eager()}
	for i := range v.Hosts[1:] {
		v.Hosts[i+1].Flags |= policy.Cordoned
	}
	if _, ok := p.Instead(v, policy.State{}, "d050"); ok {
		b.Fatal("it would move")
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Instead(v, policy.State{}, "d050")
	}
}
