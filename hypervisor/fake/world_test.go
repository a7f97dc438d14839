package fake_test

import (
	"context"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// pair is two hosts of two CPUs, with vm1 (1 GiB, 600 millicores) and vm2 on
// h1, and links of 100 MiB/s. Migrations cost no CPU unless a test says so.
func pair() fake.Spec {
	return fake.Spec{
		Migration: fake.Migration{
			Setup: fake.Duration(200 * time.Millisecond), MaxDowntime: fake.Duration(300 * time.Millisecond),
			SwitchOver: fake.Duration(20 * time.Millisecond), Keepalive: fake.Duration(30 * time.Second),
		},
		Hosts: []fake.HostSpec{
			{Name: "h1", CPU: 2000, Memory: 8 * fake.GiB, Link: 100 * fake.MiB},
			{Name: "h2", CPU: 2000, Memory: 8 * fake.GiB, Link: 100 * fake.MiB},
		},
		Domains: []fake.DomainSpec{
			{Name: "vm1", Host: "h1", Memory: 1000 * fake.MiB, Demand: fake.Constant(600), Autostart: true},
			{Name: "vm2", Host: "h1", Memory: 1000 * fake.MiB, Demand: fake.Constant(400), VCPUs: 2},
		},
	}
}

func newWorld(t *testing.T, s fake.Spec) *fake.World {
	t.Helper()
	w, err := fake.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func on(t *testing.T, w *fake.World, host string) *fake.Hypervisor {
	t.Helper()
	h, err := w.Hypervisor(host)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func sample(t *testing.T, w *fake.World, host string) policy.Sample {
	t.Helper()
	s, err := on(t, w, host).Sample(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func counters(t *testing.T, s policy.Sample, domain string) policy.DomainCounters {
	t.Helper()
	for _, d := range s.Domains {
		if d.Name == domain {
			return d
		}
	}
	t.Fatalf("%s is not in the sample", domain)
	return policy.DomainCounters{}
}

func locate(t *testing.T, w *fake.World, host, domain string) policy.Presence {
	t.Helper()
	p, err := on(t, w, host).Locate(context.Background(), fake.DomainID(domain))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func to(domain, host string) hypervisor.Transfer {
	return hypervisor.Transfer{Domain: fake.DomainID(domain), URI: "qemu+tls://" + host + "/system"}
}

func begin(t *testing.T, w *fake.World, host string, x hypervisor.Transfer) *fake.Attempt {
	t.Helper()
	a, err := w.Begin(host, x)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func do(t *testing.T, w *fake.World, a fake.Action) {
	t.Helper()
	if err := w.Do(a); err != nil {
		t.Fatal(err)
	}
}

func runsOn(t *testing.T, w *fake.World, domain string, hosts ...string) {
	t.Helper()
	got := w.RunsOn(domain)
	if len(got) != len(hosts) {
		t.Fatalf("%s runs on %v, want %v", domain, got, hosts)
	}
	for i := range got {
		if got[i] != hosts[i] {
			t.Fatalf("%s runs on %v, want %v", domain, got, hosts)
		}
	}
}

func noViolations(t *testing.T, w *fake.World) {
	t.Helper()
	if v := w.Violations(); len(v) > 0 {
		t.Errorf("violations: %q", v)
	}
}

func TestCountersBelowCapacity(t *testing.T) {
	w := newWorld(t, pair())
	w.Advance(10 * time.Second)
	s := sample(t, w, "h1")
	want := policy.HostCounters{
		Busy: 10 * time.Second, Total: 20 * time.Second,
		MemoryTotal: 8 * policy.GiB, MemoryAvailable: 8*policy.GiB - 2000*policy.MiB,
		PressureKnown: true, Known: true,
	}
	if s.Host != want {
		t.Errorf("host %+v\nwant %+v", s.Host, want)
	}
	vm1 := counters(t, s, "vm1")
	if vm1.CPUTime != 6*time.Second || vm1.Wait != 0 {
		t.Errorf("vm1 used %s and waited %s, want 6s and 0s", vm1.CPUTime, vm1.Wait)
	}
}

// 2500 millicores are asked of 2000: everybody gets four fifths.
func TestCountersUnderContention(t *testing.T) {
	spec := pair()
	spec.Hosts[0].Load = fake.Constant(500)
	spec.Domains[0].Demand = fake.Constant(1000)
	spec.Domains[1].Demand = fake.Constant(1000)
	w := newWorld(t, spec)
	w.Advance(10 * time.Second)
	s := sample(t, w, "h1")
	if s.Host.Busy != 20*time.Second || s.Host.Total != 20*time.Second || s.Host.Stalled != 10*time.Second {
		t.Errorf("host %+v", s.Host)
	}
	for _, name := range []string{"vm1", "vm2"} {
		d := counters(t, s, name)
		if d.CPUTime != 8*time.Second || d.Wait != 2*time.Second {
			t.Errorf("%s used %s and waited %s, want 8s and 2s", name, d.CPUTime, d.Wait)
		}
	}
}

func TestDemandIsCappedByVCPUs(t *testing.T) {
	spec := pair()
	spec.Domains[0].Demand = fake.Constant(5000)
	w := newWorld(t, spec)
	w.Advance(time.Second)
	if d := counters(t, sample(t, w, "h1"), "vm1"); d.CPUTime != time.Second {
		t.Errorf("one vCPU used %s in 1s", d.CPUTime)
	}
}

// 1000 MiB at 100 MiB/s, 0.2 s before and 0.02 s after.
func TestMigrationOfAnIdleGuest(t *testing.T) {
	w := newWorld(t, pair())
	a := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(5 * time.Second)
	if p := locate(t, w, "h1", "vm1"); !p.Running() || p.Job != policy.MigratingOut || !p.Defined {
		t.Errorf("source meanwhile: %+v", p)
	}
	if p := locate(t, w, "h2", "vm1"); p.Running() || p.State != policy.StatePaused || p.Job != policy.MigratingIn || p.Defined {
		t.Errorf("target meanwhile: %+v", p)
	}
	if p := a.Progress(); p.Processed != 480*policy.MiB || p.Remaining != 520*policy.MiB || p.Bandwidth != 100*policy.MiB {
		t.Errorf("progress %+v", p)
	}
	var ended time.Time
	a.Then(func(policy.Outcome) { ended = w.Now() })
	began := w.Now()
	w.Advance(time.Minute)
	o, over := a.Outcome()
	want := policy.Outcome{
		Result: policy.Succeeded, Reason: policy.Completed,
		Duration: 10220 * time.Millisecond, Downtime: 20 * time.Millisecond, Transferred: 1000 * policy.MiB,
	}
	if !over || o != want {
		t.Errorf("outcome %+v\nwant %+v", o, want)
	}
	if got := ended.Sub(began); got != 5220*time.Millisecond {
		t.Errorf("told after %s, want 5.22s", got)
	}
	if p := locate(t, w, "h1", "vm1"); p != (policy.Presence{Known: true}) {
		t.Errorf("source afterwards: %+v", p)
	}
	if p := locate(t, w, "h2", "vm1"); !p.Running() || !p.Defined || p.Job != policy.NoJob {
		t.Errorf("target afterwards: %+v", p)
	}
	noViolations(t, w)
	if n := w.Boots("vm1"); n != 1 {
		t.Errorf("%d boots", n)
	}
}
