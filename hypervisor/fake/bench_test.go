package fake_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
)

// fleet is n hosts with 8 domains each, whose demand changes every minute.
func fleet(n int) fake.Spec {
	var s fake.Spec
	for i := range n {
		host := fmt.Sprintf("h%d", i)
		s.Hosts = append(s.Hosts, fake.HostSpec{Name: host, CPU: 16000, Memory: 256 * fake.GiB})
		for k := range 8 {
			s.Domains = append(s.Domains, fake.DomainSpec{
				Name: fmt.Sprintf("%s-vm%d", host, k), Host: host, VCPUs: 4, Memory: 4 * fake.GiB,
				Demand: fake.Profile{
					Steps:  []fake.Step{{At: 0, CPU: 800}, {At: fake.Duration(time.Minute), CPU: 2000}},
					Repeat: fake.Duration(2 * time.Minute),
				},
			})
		}
	}
	return s
}

// BenchmarkAdvance is the cost of one simulated hour of 10 hosts, looked at
// every 20 s.
func BenchmarkAdvance(b *testing.B) {
	w, err := fake.New(fleet(10))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for range 180 {
			w.Advance(20 * time.Second)
		}
	}
}

// BenchmarkSample is the cost of reading a host with 100 domains.
func BenchmarkSample(b *testing.B) {
	spec := fake.Spec{Hosts: []fake.HostSpec{{Name: "h1", CPU: 64000, Memory: 1024 * fake.GiB}}}
	for i := range 100 {
		spec.Domains = append(spec.Domains, fake.DomainSpec{Name: fmt.Sprintf("vm%d", i), Host: "h1", Memory: fake.GiB, Demand: fake.Constant(300)})
	}
	w, err := fake.NewLive(spec)
	if err != nil {
		b.Fatal(err)
	}
	h1, err := w.Hypervisor("h1")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h1.Sample(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
