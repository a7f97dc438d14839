package policy_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

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
	benchmarkDecideOn(b, largeView(share), moves)
}

func benchmarkDecideOn(b *testing.B, v policy.View, moves int) {
	p := policy.Policy{Config: eager()}
	p.Config.MaxMoves = 1
	if d, _ := p.Decide(v, policy.State{}); len(d.Plan) != moves {
		b.Fatalf("%d moves", len(d.Plan))
	}
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		p.Decide(v, policy.State{})
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used of the CPU, which others on the machine
// change less than they change how long it takes.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// 100 domains, 1000 hosts that can take any of them.
func BenchmarkDecide(b *testing.B) { benchmarkDecide(b, 0.3, 1) }

// The same, but every host is too full for every domain, and not for nothing.
func BenchmarkDecideNothingFits(b *testing.B) { benchmarkDecide(b, 0.635, 0) }

// ruledView is largeView with rules for every domain: a label that half of the
// hosts have, an anti-affinity group, a soft affinity group, every tenth a hard
// one, and a priority. Every host tells of as many groups as it can.
func ruledView(share float64) policy.View {
	v := largeView(share)
	member := func(rule policy.GroupRule, name string, i int, soft bool) policy.Membership {
		return policy.Membership{Rule: rule, Group: fmt.Sprintf("%s%03d", name, i), Soft: soft}
	}
	for i := range v.Hosts {
		h := &v.Hosts[i]
		if i%2 == 0 {
			h.Labels = []string{"rack-1", "ssd"}
		}
		for k := range 6 {
			h.Groups = h.Groups.With(member(policy.Affinity, "shop", (i+k)%100, true), member(policy.AntiAffinity, "db", (7*i+k)%100, false))
		}
	}
	for i := range v.Domains {
		d := &v.Domains[i]
		d.Requires = []string{"ssd"}
		d.Groups = []policy.Membership{member(policy.AntiAffinity, "db", i, false), member(policy.Affinity, "shop", i, true)}
		if i%10 == 0 {
			d.Groups = append(d.Groups, member(policy.Affinity, "pair", i, false))
		}
		d.Priority = policy.Priority(i%5 - 2)
	}
	return v
}

// The same with rules.
func BenchmarkDecideRules(b *testing.B) { benchmarkDecideOn(b, ruledView(0.3), 1) }

func BenchmarkDecideRulesNothingFits(b *testing.B) { benchmarkDecideOn(b, ruledView(0.635), 0) }

// At rest, whether a rule is broken is asked all the same.
func BenchmarkDecideRulesAtRest(b *testing.B) {
	v := ruledView(0.3)
	v.Hosts[0].Used.CPU = 10000
	observe(&v)
	benchmarkDecideOn(b, v, 0)
}

// Most of the time there is nothing to do.
func BenchmarkDecideAtRest(b *testing.B) {
	v := largeView(0.3)
	v.Hosts[0].Used.CPU = 10000
	observe(&v)
	benchmarkDecideOn(b, v, 0)
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
