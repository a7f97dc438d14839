package fake_test

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// 1000 MiB at 100 MiB/s take 10 s; 50 MiB/s dirtied meanwhile are 500 MiB, then
// 250, 125, 62.5 and 31.25 MiB; the last fits into 0.3 s of 100 MiB/s, plus
// rounding that the next iteration's end shows: 31.25 MiB are 0.3125 s, so one
// more pass sends them and leaves 15.625 MiB for the downtime.
func TestPreCopyConverges(t *testing.T) {
	spec := pair()
	spec.Domains[0].DirtyRate = 50 * fake.MiB
	w := newWorld(t, spec)
	a := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(time.Minute)
	o, over := a.Outcome()
	if !over || o.Result != policy.Succeeded {
		t.Fatalf("outcome %+v", o)
	}
	passes := 10000 + 5000 + 2500 + 1250 + 625 + 312.5
	rest := 156.25
	millis := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	if got, want := millis(o.Downtime), rest+20; got < want || got > want+0.001 {
		t.Errorf("downtime %v ms, want %v", got, want)
	}
	if got, want := millis(o.Duration), 200+passes+rest+20; got < want || got > want+0.001 {
		t.Errorf("duration %v ms, want %v", got, want)
	}
	if a.Progress().Iteration != 6 {
		t.Errorf("%d iterations, want 6", a.Progress().Iteration)
	}
}

// The working set bounds what an iteration leaves behind.
func TestWorkingSetBoundsDirtying(t *testing.T) {
	spec := pair()
	spec.Domains[0].DirtyRate, spec.Domains[0].WorkingSet = 400*fake.MiB, 20*fake.MiB
	w := newWorld(t, spec)
	a := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(time.Minute)
	if o, _ := a.Outcome(); o.Downtime != 220*time.Millisecond || o.Duration != 10420*time.Millisecond {
		t.Errorf("outcome %+v", o)
	}
}

func TestGuestThatDoesNotConverge(t *testing.T) {
	spec := pair()
	spec.Domains[0].DirtyRate = 150 * fake.MiB
	for _, auto := range []bool{false, true} {
		spec.Migration.AutoConverge = auto
		w := newWorld(t, spec)
		a := begin(t, w, "h1", to("vm1", "h2"))
		w.Advance(30 * time.Second)
		used := counters(t, sample(t, w, "h1"), "vm1").CPUTime
		if slowed := used < 18*time.Second; slowed != auto {
			t.Errorf("auto-converge %v: vm1 used %s in 30s", auto, used)
		}
		w.Advance(10 * time.Minute)
		if o, over := a.Outcome(); over != auto || over && o.Result != policy.Succeeded {
			t.Errorf("auto-converge %v: %+v, over %v", auto, o, over)
		}
		if auto {
			continue
		}
		runsOn(t, w, "vm1", "h1")
		if err := on(t, w, "h1").Abort(t.Context(), fake.DomainID("vm1")); err != nil {
			t.Fatal(err)
		}
		o, over := a.Outcome()
		if !over || o.Result != policy.Aborted || o.Reason != policy.Cancelled || o.Downtime != 0 {
			t.Errorf("after the abort: %+v", o)
		}
		if p := locate(t, w, "h2", "vm1"); p.Active || p.Defined {
			t.Errorf("target after the abort: %+v", p)
		}
		runsOn(t, w, "vm1", "h1")
		noViolations(t, w)
	}
}

// Two out of one host halve its link; the second goes on alone.
func TestMigrationsShareTheLink(t *testing.T) {
	spec := pair()
	spec.Domains[1].Memory = 500 * fake.MiB
	w := newWorld(t, spec)
	first, second := begin(t, w, "h1", to("vm1", "h2")), begin(t, w, "h1", to("vm2", "h2"))
	w.Advance(time.Minute)
	o1, _ := first.Outcome()
	o2, _ := second.Outcome()
	if o2.Duration != 10220*time.Millisecond { // 500 MiB at 50 MiB/s
		t.Errorf("vm2 took %s", o2.Duration)
	}
	if o1.Duration != 15220*time.Millisecond { // and then 500 MiB at 100 MiB/s
		t.Errorf("vm1 took %s", o1.Duration)
	}
	if in, _ := w.Peak("h2"); in != 2 {
		t.Errorf("at most %d at once into h2, want 2", in)
	}
}

func TestBandwidthAndDowntimeOfATransfer(t *testing.T) {
	spec := pair()
	spec.Domains[0].DirtyRate = 10 * fake.MiB
	w := newWorld(t, spec)
	x := to("vm1", "h2")
	x.Bandwidth, x.MaxDowntime = 50*policy.MiB, 5*time.Second
	a := begin(t, w, "h1", x)
	w.Advance(time.Minute)
	// 20 s at 50 MiB/s, then 200 MiB in 4 s of downtime.
	if o, _ := a.Outcome(); o.Duration != 24220*time.Millisecond || o.Downtime != 4020*time.Millisecond {
		t.Errorf("outcome %+v", o)
	}
}

// A migration costs both hosts CPU, and what it takes from the domain is the
// domain's.
func TestMigrationCostsCPU(t *testing.T) {
	spec := pair()
	spec.Migration.SourceCPU, spec.Migration.TargetCPU = 500, 300
	w := newWorld(t, spec)
	begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(10 * time.Second)
	h1, h2 := sample(t, w, "h1"), sample(t, w, "h2")
	if h1.Host.Busy != 15*time.Second {
		t.Errorf("source busy %s, want 10s x (1 + 0.5)", h1.Host.Busy)
	}
	if want := 9800 * time.Millisecond * 3 / 10; h2.Host.Busy != want {
		t.Errorf("target busy %s, want %s", h2.Host.Busy, want)
	}
	if d := counters(t, h1, "vm1"); d.CPUTime != 11*time.Second || d.Job != policy.MigratingOut {
		t.Errorf("on the source %+v", d)
	}
	if d := counters(t, h2, "vm1"); d.Job != policy.MigratingIn || d.State != policy.StatePaused {
		t.Errorf("on the target %+v", d)
	}
}

func TestDefinitionsFollowTheDomain(t *testing.T) {
	spec := pair()
	spec.Domains[1].Transient = true
	history := policy.MoveHistory{Last: time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC), From: "h0", Count: 1}
	spec.Domains[0].History = history
	w := newWorld(t, spec)
	begin(t, w, "h1", to("vm1", "h2"))
	begin(t, w, "h1", to("vm2", "h2"))
	w.Advance(time.Minute)
	for name, persistent := range map[string]bool{"vm1": true, "vm2": false} {
		if p := locate(t, w, "h1", name); p != (policy.Presence{Known: true}) {
			t.Errorf("%s on h1: %+v", name, p)
		}
		if p := locate(t, w, "h2", name); !p.Running() || p.Defined != persistent {
			t.Errorf("%s on h2: %+v", name, p)
		}
	}
	h2 := on(t, w, "h2")
	if d, err := h2.Describe(t.Context(), fake.DomainID("vm1")); err != nil || d.Autostart {
		t.Errorf("a migration carried autostart: %+v, %v", d, err)
	}
	if got := counters(t, sample(t, w, "h2"), "vm1").History; got != history {
		t.Errorf("metadata were not carried: %+v", got)
	}
	moved := handoff(true, policy.MoveHistory{Last: w.Now(), From: fake.HostID("h1"), Count: 2})
	for range 2 { // idempotent
		if err := h2.Settle(t.Context(), fake.DomainID("vm1"), moved); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := h2.Describe(t.Context(), fake.DomainID("vm1")); err != nil || !d.Autostart {
		t.Errorf("autostart is not set: %+v, %v", d, err)
	}
	if got := counters(t, sample(t, w, "h2"), "vm1").History; got != moved.History {
		t.Errorf("history is not set: %+v", got)
	}
}

func TestForeignMigrationIsSeen(t *testing.T) {
	spec := pair()
	spec.Timeline = []fake.Action{{At: fake.Duration(5 * time.Second), Do: fake.Migrate, Domain: "vm2", To: "h2"}}
	w := newWorld(t, spec)
	w.Advance(10 * time.Second)
	if d := counters(t, sample(t, w, "h1"), "vm2"); d.Job != policy.MigratingOut {
		t.Errorf("source: %+v", d)
	}
	if d := counters(t, sample(t, w, "h2"), "vm2"); d.Job != policy.MigratingIn {
		t.Errorf("target: %+v", d)
	}
	if a, ok := w.Attach("h1", fake.DomainID("vm2")); !ok || a.Progress().Processed == 0 {
		t.Error("nothing to attach to")
	}
	w.Advance(time.Minute)
	runsOn(t, w, "vm2", "h2")
	if m := w.Migrations(); len(m) != 1 || !m[0].Foreign || !m[0].Arrived {
		t.Errorf("records %+v", m)
	}
}

func TestRefusals(t *testing.T) {
	spec := pair()
	spec.Hosts[0].CPUModel, spec.Hosts[1].CPUModel = "A", "B"
	spec.Hosts[0].Networks, spec.Hosts[0].Storage = []string{"lan"}, []string{"ceph"}
	spec.Hosts[1].CPUModels = []string{"EPYC"}
	add := func(name string, f func(*fake.DomainSpec)) {
		d := fake.DomainSpec{Name: name, Host: "h1", Memory: fake.MiB}
		f(&d)
		spec.Domains = append(spec.Domains, d)
	}
	add("passthrough", func(d *fake.DomainSpec) { d.Obstacle = policy.Passthrough })
	add("pinned", func(d *fake.DomainSpec) { d.Obstacle = policy.PinnedDomain })
	add("hostcpu", func(d *fake.DomainSpec) { d.CPU = fake.Passthrough })
	add("epyc", func(d *fake.DomainSpec) { d.CPU = "EPYC" })
	add("icelake", func(d *fake.DomainSpec) { d.CPU = "Icelake" })
	add("lan", func(d *fake.DomainSpec) { d.Networks = []string{"lan"} })
	add("ceph", func(d *fake.DomainSpec) { d.Storage = []string{"ceph"} })
	add("q35", func(d *fake.DomainSpec) { d.Machine = "q35" })
	add("off", func(d *fake.DomainSpec) { d.Off = true })
	add("paused", func(*fake.DomainSpec) {})
	add("busy", func(*fake.DomainSpec) {})
	add("huge", func(d *fake.DomainSpec) { d.MemoryMax = 9 * fake.GiB })
	w := newWorld(t, spec)
	do(t, w, fake.Action{Do: fake.Pause, Domain: "paused"})
	do(t, w, fake.Action{Do: fake.JobOn, Domain: "busy"})

	for _, c := range []struct {
		domain, host       string
		preflight, migrate policy.Reason
	}{
		{"vm1", "h2", policy.OK, policy.Completed},
		{"pinned", "h2", policy.OK, policy.Completed}, // a rule of the balancer, not of libvirt
		{"epyc", "h2", policy.OK, policy.Completed},
		{"huge", "h2", policy.HostMemory, policy.Completed}, // QEMU takes memory when it uses it
		{"passthrough", "h2", policy.OK, policy.Passthrough},
		{"hostcpu", "h2", policy.CPUIncompatible, policy.CPUIncompatible},
		{"icelake", "h2", policy.CPUIncompatible, policy.CPUIncompatible},
		{"lan", "h2", policy.NetworkMissing, policy.NetworkMissing},
		{"ceph", "h2", policy.StorageMissing, policy.StorageMissing},
		{"q35", "h2", policy.MachineUnsupported, policy.MachineUnsupported},
		{"off", "h2", policy.OK, policy.SourceGone},
		{"paused", "h2", policy.OK, policy.NotRunning},
		{"busy", "h2", policy.OK, policy.JobActive},
		{"vm2", "h1", policy.AlreadyThere, policy.SameHost},
		{"vm2", "h9", policy.OK, policy.Unreachable},
		{"vm9", "h2", policy.PreflightFailed, policy.SourceGone},
	} {
		if c.host != "h9" {
			d, err := on(t, w, "h1").Describe(t.Context(), fake.DomainID(c.domain))
			if err != nil {
				d.Domain = fake.DomainID(c.domain)
			}
			if why, detail := on(t, w, c.host).Preflight(t.Context(), d); why != c.preflight {
				t.Errorf("preflight of %s: %s (%s), want %s", c.domain, why, detail, c.preflight)
			}
		}
		a := begin(t, w, "h1", to(c.domain, c.host))
		w.Advance(time.Minute)
		o, over := a.Outcome()
		if !over || o.Reason != c.migrate || (o.Result == policy.Succeeded) != (c.migrate == policy.Completed) {
			t.Errorf("migration of %s: %+v, want %s", c.domain, o, c.migrate)
		}
	}
	noViolations(t, w)
}

func TestSecondMigrationOfADomainIsRefused(t *testing.T) {
	w := newWorld(t, pair())
	first, second := begin(t, w, "h1", to("vm1", "h2")), begin(t, w, "h1", to("vm1", "h2"))
	if o, over := second.Outcome(); !over || o.Reason != policy.JobActive {
		t.Errorf("second: %+v", o)
	}
	w.Advance(time.Minute)
	if o, _ := first.Outcome(); o.Result != policy.Succeeded {
		t.Errorf("first: %+v", o)
	}
}

// A target that is given more than it has is the balancer's fault.
func TestOvercommittedMemoryIsAViolation(t *testing.T) {
	spec := pair()
	spec.Hosts[1].MemoryUsed = 7500 * fake.MiB
	w := newWorld(t, spec)
	begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(time.Minute)
	if len(w.Violations()) != 1 {
		t.Errorf("violations %q", w.Violations())
	}
}
