package fake_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// script is a random world and what happens in it.
type script struct {
	spec    fake.Spec
	actions []fake.Action // by time; Migrate stands for a call of a daemon
	end     time.Duration
}

// drawScript draws a world of 2 to 4 hosts. The faults in it are those that
// must leave every domain running once. How much there is of everything is
// rapid's choice, which prefers little; what it is comes evenly from a seed.
func drawScript(t *rapid.T) script {
	var s script
	drawn := uint64(0) // rapid often draws the same seed
	from := func(what string) *rand.Rand {
		drawn++
		return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, what), drawn))
	}
	within := func(r *rand.Rand, most time.Duration) fake.Duration { return fake.Duration(r.Int64N(int64(most))) }
	var hosts, domains []string
	for i := range rapid.IntRange(2, 4).Draw(t, "hosts") {
		r := from("host")
		hosts = append(hosts, fmt.Sprintf("h%d", i+1))
		s.spec.Hosts = append(s.spec.Hosts, fake.HostSpec{
			Name: hosts[i], CPU: 3000, Memory: 64 * fake.GiB,
			Load: fake.Constant(policy.MilliCPU(r.IntN(1500))),
			Link: fake.Size(50+r.IntN(450)) * fake.MiB,
		})
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "domains") {
		r := from("domain")
		domains = append(domains, fmt.Sprintf("vm%d", i+1))
		s.spec.Domains = append(s.spec.Domains, fake.DomainSpec{
			Name: domains[i], Host: hosts[r.IntN(len(hosts))], VCPUs: 1 + r.IntN(4),
			Demand: fake.Profile{Sine: &fake.Sine{
				Mean: policy.MilliCPU(r.IntN(2000)), Amplitude: policy.MilliCPU(r.IntN(1000)), Period: fake.Duration(time.Minute),
			}},
			Memory: fake.Size(64+r.IntN(2000)) * fake.MiB, DirtyRate: fake.Size(r.IntN(200)) * fake.MiB,
			Transient: r.IntN(3) == 0, Autostart: r.IntN(2) == 0,
		})
	}
	s.spec.Migration = fake.DefaultMigration()
	s.spec.Migration.AutoConverge = rapid.Bool().Draw(t, "auto-converge")
	s.spec.Migration.SwitchOver = fake.Duration(2 * time.Second) // long enough for things to happen in it
	kinds := []fake.FaultKind{fake.FaultFail, fake.FaultHang, fake.FaultStuck, fake.FaultLost, fake.FaultUnconfirmed, fake.FaultMisreport, fake.FaultHusk}
	for range rapid.IntRange(0, 3).Draw(t, "faults") {
		r := from("fault")
		s.spec.Faults = append(s.spec.Faults, fake.Fault{
			Kind: kinds[r.IntN(len(kinds))], Domain: domains[r.IntN(len(domains))],
			At: policy.Fraction(r.Float64()), For: within(r, time.Minute), Times: 1,
		})
	}
	verbs := []fake.Verb{
		fake.PowerOff, fake.LibvirtDown, fake.LibvirtHang, fake.CableOut, fake.Shutdown, fake.Pause, fake.JobOn, fake.Abort, fake.SetDirty,
		fake.PowerOn, fake.LibvirtUp, fake.LibvirtUp, fake.CableIn, fake.Boot, fake.Unpause, fake.JobOff,
	}
	for range rapid.IntRange(10, 60).Draw(t, "actions") {
		r := from("action")
		a := fake.Action{
			At: within(r, 5*time.Minute), Do: verbs[r.IntN(len(verbs))],
			Host: hosts[r.IntN(len(hosts))], Domain: domains[r.IntN(len(domains))], To: hosts[r.IntN(len(hosts))],
			Rate: fake.Size(r.IntN(100)) * fake.MiB,
		}
		if r.IntN(3) == 0 {
			a.Do = fake.Migrate
		}
		s.actions = append(s.actions, a)
	}
	slices.SortStableFunc(s.actions, func(a, b fake.Action) int { return cmp.Compare(a.At, b.At) })
	s.end = 400 * time.Second
	return s
}

// play performs the script, advancing by whatever steps returns, and gives the
// world at its end.
func (s script) play(t *rapid.T, step func() time.Duration, look func(*fake.World)) *fake.World {
	w, err := fake.New(s.spec)
	if err != nil {
		t.Fatal(err)
	}
	var now time.Duration
	until := func(at time.Duration) {
		for now < at {
			d := min(step(), at-now)
			w.Advance(d)
			now += d
			look(w)
		}
	}
	for _, a := range s.actions {
		until(time.Duration(a.At))
		if a.Do == fake.Migrate {
			x := hypervisor.Transfer{Domain: fake.DomainID(a.Domain), URI: "sim://" + a.To}
			for _, host := range w.RunsOn(a.Domain) {
				if _, err := w.Begin(host, x); err != nil {
					t.Fatal(err)
				}
			}
		} else if err := w.Do(a); err != nil {
			t.Fatal(err)
		}
		look(w)
	}
	until(s.end)
	return w
}

// Whatever breaks, no domain ever runs twice, none is lost, and none restarts
// without a person or a boot of its host.
func TestConservation(t *testing.T) {
	reported := make(map[policy.Reason]int)
	rapid.Check(t, func(t *rapid.T) {
		s := drawScript(t)
		w := s.play(t, func() time.Duration { return 10 * time.Second }, func(w *fake.World) {
			for _, d := range s.spec.Domains {
				if on := w.RunsOn(d.Name); len(on) > 1 {
					t.Fatalf("%s runs on %v", d.Name, on)
				}
			}
		})
		if v := w.Violations(); len(v) > 0 {
			t.Fatalf("violations: %q", v)
		}
		for _, m := range w.Migrations() {
			reported[m.Reported.Reason]++
			if m.Reported.Result == policy.Succeeded && !m.Arrived {
				t.Fatalf("success was reported of %+v", m)
			}
			if m.Reported.Downtime < 0 || m.Reported.Downtime > m.Reported.Duration {
				t.Fatalf("downtime of %+v", m)
			}
		}
	})
	for _, why := range []policy.Reason{policy.Completed, policy.ConnectionLost, policy.Unreachable} {
		if reported[why] == 0 {
			t.Errorf("no migration ended as %s; the scripts have become too tame: %v", why, reported)
		}
	}
	t.Log(reported)
}

// The state depends on the script and on time alone, not on how often somebody
// looks.
func TestLookingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScript(t)
		everything := func(w *fake.World) string {
			out := w.Report().String()
			for _, h := range w.HostNames() {
				hv, err := w.Hypervisor(h)
				if err != nil {
					t.Fatal(err)
				}
				sample, err := hv.Sample(t.Context())
				b, jsonErr := json.Marshal(sample)
				if jsonErr != nil {
					t.Fatal(jsonErr)
				}
				out += fmt.Sprintf("%s %v\n", b, err)
			}
			return out
		}
		once := s.play(t, func() time.Duration { return time.Hour }, func(*fake.World) {})
		steps := []time.Duration{time.Nanosecond, 333 * time.Millisecond, 7 * time.Second, 1100 * time.Millisecond}
		k := 0
		often := s.play(t, func() time.Duration {
			k++
			return steps[k%len(steps)]
		}, func(w *fake.World) { everything(w) })
		if a, b := everything(once), everything(often); a != b {
			t.Fatalf("at once:\n%s\nstep by step:\n%s", a, b)
		}
	})
}

// CPU is neither made nor lost: what the host was busy with is what its domains
// and its own work used, and nobody gets more than he asks for.
func TestCPUIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := fake.Spec{Hosts: []fake.HostSpec{{
			Name: "h1", CPU: policy.MilliCPU(rapid.IntRange(1, 8000).Draw(t, "cpu")), Memory: 64 * fake.GiB,
		}}}
		var asked policy.MilliCPU
		demands := rapid.SliceOfN(rapid.IntRange(0, 4000), 1, 12).Draw(t, "demands")
		for i, d := range demands {
			asked += policy.MilliCPU(d)
			spec.Domains = append(spec.Domains, fake.DomainSpec{
				Name: fmt.Sprintf("vm%d", i), Host: "h1", VCPUs: 4, Memory: fake.MiB, Demand: fake.Constant(policy.MilliCPU(d)),
			})
		}
		w, err := fake.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		w.Advance(1000 * time.Second)
		h1, err := w.Hypervisor("h1")
		if err != nil {
			t.Fatal(err)
		}
		s, err := h1.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var used time.Duration
		for _, c := range s.Domains {
			used += c.CPUTime
			var i int
			if _, err := fmt.Sscanf(c.Name, "vm%d", &i); err != nil {
				t.Fatal(err)
			}
			if want := time.Duration(demands[i]) * time.Second; c.CPUTime+c.Wait != want {
				t.Fatalf("%s used %s and waited %s, asked for %s", c.Name, c.CPUTime, c.Wait, want)
			}
		}
		if want := time.Duration(min(asked, spec.Hosts[0].CPU)) * time.Second; s.Host.Busy != want || used != want {
			t.Fatalf("host busy %s, domains used %s, want %s", s.Host.Busy, used, want)
		}
	})
}
