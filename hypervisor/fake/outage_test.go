package fake_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// during begins the migration of vm1 from h1 to h2 and has something happen
// after a while.
func during(t *testing.T, spec fake.Spec, after time.Duration, actions ...fake.Action) (*fake.World, *fake.Attempt) {
	t.Helper()
	w := newWorld(t, spec)
	a := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(after)
	for _, action := range actions {
		do(t, w, action)
	}
	return w, a
}

func TestTargetLosesPower(t *testing.T) {
	w, a := during(t, pair(), 5*time.Second, fake.Action{Do: fake.PowerOff, Host: "h2"})
	w.Advance(29 * time.Second)
	if _, over := a.Outcome(); over {
		t.Error("noticed before the keep-alive time")
	}
	runsOn(t, w, "vm1", "h1")
	w.Advance(2 * time.Second)
	if o, over := a.Outcome(); !over || o.Result != policy.Failed || o.Reason != policy.ConnectionLost || o.Duration != 35*time.Second {
		t.Errorf("outcome %+v", o)
	}
	if _, err := on(t, w, "h2").Locate(t.Context(), fake.DomainID("vm1")); !errors.Is(err, fake.ErrDown) {
		t.Errorf("the dead host answers: %v", err)
	}
	if p := locate(t, w, "h1", "vm1"); !p.Running() || p.Job != policy.NoJob {
		t.Errorf("source %+v", p)
	}
	noViolations(t, w)
}

// A target that comes back refuses the old connection at once.
func TestTargetLosesPowerAndReturns(t *testing.T) {
	w, a := during(t, pair(), 5*time.Second, fake.Action{Do: fake.PowerOff, Host: "h2"})
	w.Advance(10 * time.Second)
	do(t, w, fake.Action{Do: fake.PowerOn, Host: "h2"})
	if o, over := a.Outcome(); !over || o.Reason != policy.ConnectionLost {
		t.Errorf("outcome %+v", o)
	}
	if p := locate(t, w, "h2", "vm1"); p.Active {
		t.Errorf("target %+v", p)
	}
	if s := sample(t, w, "h2"); s.Host.Total != 0 {
		t.Errorf("the counters went on through the boot: %+v", s.Host)
	}
}

func TestSourceLosesPower(t *testing.T) {
	w, a := during(t, pair(), 5*time.Second, fake.Action{Do: fake.PowerOff, Host: "h1"})
	if o, over := a.Outcome(); !over || o.Result != policy.Unknown {
		t.Errorf("outcome %+v", o)
	}
	runsOn(t, w, "vm1")
	w.Advance(29 * time.Second)
	if p := locate(t, w, "h2", "vm1"); p.State != policy.StatePaused || p.Job != policy.MigratingIn {
		t.Errorf("target before the keep-alive time: %+v", p)
	}
	w.Advance(2 * time.Second)
	if p := locate(t, w, "h2", "vm1"); p.Active {
		t.Errorf("target after the keep-alive time: %+v", p)
	}
	do(t, w, fake.Action{Do: fake.PowerOn, Host: "h1"})
	runsOn(t, w, "vm1", "h1") // autostart
	if n := w.Boots("vm1"); n != 2 {
		t.Errorf("vm1 booted %d times", n)
	}
	if p := locate(t, w, "h1", "vm2"); p.Active || !p.Defined || p.MigratedAway {
		t.Errorf("vm2, without autostart: %+v", p)
	}
	do(t, w, fake.Action{Do: fake.Boot, Host: "h1", Domain: "vm2"})
	runsOn(t, w, "vm2", "h1")
	noViolations(t, w)
	if len(w.Incidents()) != 2 {
		t.Errorf("incidents %q", w.Incidents())
	}
}

func TestCableOut(t *testing.T) {
	for _, c := range []struct {
		out      time.Duration
		result   policy.Result
		duration time.Duration
	}{
		{10 * time.Second, policy.Succeeded, 20220 * time.Millisecond}, // TCP sends it again
		{time.Minute, policy.Failed, 35 * time.Second},
	} {
		w, a := during(t, pair(), 5*time.Second, fake.Action{Do: fake.CableOut, Host: "h2"})
		w.Advance(c.out)
		do(t, w, fake.Action{Do: fake.CableIn, Host: "h2"})
		w.Advance(time.Minute)
		if o, over := a.Outcome(); !over || o.Result != c.result || o.Duration != c.duration {
			t.Errorf("out for %s: %+v", c.out, o)
		}
		noViolations(t, w)
	}
}

// The cable goes in the instant in which the guest stands still: it goes on at
// the source, and its downtime is what it is.
func TestCableOutInTheSwitchOver(t *testing.T) {
	w, a := during(t, pair(), 10210*time.Millisecond, fake.Action{Do: fake.CableOut, Host: "h1"})
	runsOn(t, w, "vm1")
	w.Advance(time.Minute)
	if o, _ := a.Outcome(); o.Result != policy.Failed || o.Downtime != 30*time.Second+10*time.Millisecond {
		t.Errorf("outcome %+v", o)
	}
	runsOn(t, w, "vm1", "h1")
	noViolations(t, w)
}

func TestAbortWithTheCableOutLeavesTheTargetWaiting(t *testing.T) {
	w, a := during(t, pair(), 5*time.Second, fake.Action{Do: fake.CableOut, Host: "h2"}, fake.Action{Do: fake.Abort, Domain: "vm1"})
	if o, over := a.Outcome(); !over || o.Result != policy.Aborted {
		t.Errorf("outcome %+v", o)
	}
	w.Advance(29 * time.Second)
	if p := locate(t, w, "h2", "vm1"); p.Job != policy.MigratingIn {
		t.Errorf("the target heard of it: %+v", p)
	}
	w.Advance(2 * time.Second)
	if p := locate(t, w, "h2", "vm1"); p.Active {
		t.Errorf("the target still waits: %+v", p)
	}
}

func TestSourceLibvirtKilled(t *testing.T) {
	w, a := during(t, pair(), 5*time.Second, fake.Action{Do: fake.LibvirtDown, Host: "h1"})
	if o, over := a.Outcome(); over {
		t.Errorf("a dead libvirt reported %+v", o)
	}
	if p := locate(t, w, "h2", "vm1"); p.Active {
		t.Errorf("target %+v", p)
	}
	runsOn(t, w, "vm1", "h1")
	h1 := on(t, w, "h1")
	s, err := h1.Sample(t.Context())
	if !errors.Is(err, fake.ErrDown) || !s.Host.Known || s.DomainsKnown || s.Domains != nil {
		t.Errorf("sample %+v, %v", s, err)
	}
	if _, err := h1.Facts(t.Context()); !errors.Is(err, fake.ErrDown) {
		t.Errorf("facts: %v", err)
	}
	if p, err := h1.Locate(t.Context(), fake.DomainID("vm1")); !errors.Is(err, fake.ErrDown) || p.Known {
		t.Errorf("locate: %+v, %v", p, err)
	}
	do(t, w, fake.Action{Do: fake.LibvirtUp, Host: "h1"})
	if o, over := a.Outcome(); !over || o.Result != policy.Failed || o.Reason != policy.ConnectionLost || o.Duration != 5*time.Second {
		t.Errorf("outcome %+v", o)
	}
	if p := locate(t, w, "h1", "vm1"); !p.Running() || p.Job != policy.NoJob {
		t.Errorf("source afterwards %+v", p)
	}
	if o := h1.Watch(t.Context(), fake.DomainID("vm1"), nil); o.Result != policy.Failed || o.Reason != policy.Interrupted {
		t.Errorf("watching what was cancelled: %+v", o)
	}
	noViolations(t, w)
}

// Killed between sending the guest and hearing of its arrival, libvirt leaves
// it paused: "third party needs to check what to do next".
func TestSourceLibvirtKilledInTheSwitchOver(t *testing.T) {
	w, a := during(t, pair(), 10210*time.Millisecond, fake.Action{Do: fake.LibvirtDown, Host: "h1"}, fake.Action{Do: fake.LibvirtUp, Host: "h1"})
	w.Advance(time.Hour)
	if o, _ := a.Outcome(); o.Result != policy.Unknown {
		t.Errorf("outcome %+v", o)
	}
	if p := locate(t, w, "h1", "vm1"); !p.Active || p.State != policy.StatePaused || !p.MigratedAway {
		t.Errorf("source %+v", p)
	}
	if p := locate(t, w, "h2", "vm1"); p.Active {
		t.Errorf("target %+v", p)
	}
	noViolations(t, w)
	if len(w.Incidents()) != 1 {
		t.Errorf("incidents %q", w.Incidents())
	}
}

func TestTargetLibvirtKilled(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, 5 * time.Second, 10210 * time.Millisecond} {
		w, a := during(t, pair(), after, fake.Action{Do: fake.LibvirtDown, Host: "h2"})
		w.Advance(time.Second)
		o, over := a.Outcome()
		if want := map[bool]policy.Reason{true: policy.Unreachable, false: policy.ConnectionLost}[after < time.Second]; !over || o.Result != policy.Failed || o.Reason != want {
			t.Errorf("after %s: %+v", after, o)
		}
		runsOn(t, w, "vm1", "h1")
		do(t, w, fake.Action{Do: fake.LibvirtUp, Host: "h2"})
		if p := locate(t, w, "h2", "vm1"); p.Active || p.Defined {
			t.Errorf("target %+v", p)
		}
		noViolations(t, w)
	}
}

func TestTargetLibvirtHangs(t *testing.T) {
	w, a := during(t, pair(), 5*time.Second, fake.Action{Do: fake.LibvirtHang, Host: "h2"})
	w.Advance(31 * time.Second)
	if o, over := a.Outcome(); !over || o.Reason != policy.ConnectionLost {
		t.Errorf("outcome %+v", o)
	}
	runsOn(t, w, "vm1", "h1")
	if n := w.Report().Hosts[1].Domains; len(n) != 1 {
		t.Errorf("a hung libvirt cleaned up: %+v", n)
	}
	do(t, w, fake.Action{Do: fake.LibvirtUp, Host: "h2"})
	w.Advance(time.Second)
	if p := locate(t, w, "h2", "vm1"); p.Active {
		t.Errorf("target after the thaw %+v", p)
	}
	noViolations(t, w)
}

// The source hears of nothing until it goes on itself.
func TestSourceLibvirtHangs(t *testing.T) {
	for _, c := range []struct {
		hangs, after time.Duration
		result       policy.Result
	}{
		{10 * time.Second, 5 * time.Second, policy.Succeeded},
		{time.Hour, 5 * time.Second, policy.Failed},
		{time.Hour, 10210 * time.Millisecond, policy.Failed},
	} {
		w, a := during(t, pair(), c.after, fake.Action{Do: fake.LibvirtHang, Host: "h1"})
		if _, err := on(t, w, "h1").Locate(t.Context(), fake.DomainID("vm1")); !errors.Is(err, fake.ErrHung) {
			t.Errorf("locate: %v", err)
		}
		w.Advance(c.hangs)
		if o, over := a.Outcome(); over {
			t.Errorf("a hung libvirt reported %+v", o)
		}
		do(t, w, fake.Action{Do: fake.LibvirtUp, Host: "h1"})
		w.Advance(time.Minute)
		if o, over := a.Outcome(); !over || o.Result != c.result {
			t.Errorf("hung for %s after %s: %+v", c.hangs, c.after, o)
		}
		noViolations(t, w)
	}
}

// A call that waited in the socket of a hung libvirt is performed when it goes
// on, whether or not the caller is still there.
func TestHungLibvirtPerformsTheCallLater(t *testing.T) {
	w := newWorld(t, pair())
	do(t, w, fake.Action{Do: fake.LibvirtHang, Host: "h1"})
	a := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(time.Hour)
	if _, over := a.Outcome(); over {
		t.Error("it ended")
	}
	do(t, w, fake.Action{Do: fake.LibvirtUp, Host: "h1"})
	w.Advance(time.Minute)
	runsOn(t, w, "vm1", "h2")
}

func TestGuestShutsDown(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, 5 * time.Second, 10210 * time.Millisecond, time.Minute} {
		w, a := during(t, pair(), after, fake.Action{Do: fake.Shutdown, Domain: "vm1"})
		w.Advance(time.Minute)
		runsOn(t, w, "vm1")
		home, moved := "h1", after > 10200*time.Millisecond // in the switch-over it shuts down when it runs again
		if moved {
			home = "h2"
		}
		if o, over := a.Outcome(); !over || moved != (o.Result == policy.Succeeded) || !moved && o.Reason != policy.SourceGone {
			t.Errorf("after %s: %+v", after, o)
		}
		if p := locate(t, w, home, "vm1"); !p.Defined || p.Active || p.State != policy.StateShutoff || p.MigratedAway {
			t.Errorf("after %s, on %s: %+v", after, home, p)
		}
		noViolations(t, w)
	}
}

func TestMissingAndOddSamples(t *testing.T) {
	w := newWorld(t, pair())
	w.Advance(10 * time.Second)
	before := sample(t, w, "h1")
	do(t, w, fake.Action{Do: fake.HideStats, Domain: "vm1"})
	do(t, w, fake.Action{Do: fake.Rewind, Host: "h1", By: fake.Duration(time.Second)})
	odd := sample(t, w, "h1")
	if d := counters(t, odd, "vm1"); d.StatsKnown || d.CPUTime != 0 || d.State != policy.StateRunning {
		t.Errorf("hidden: %+v", d)
	}
	if odd.Host.Busy != before.Host.Busy-time.Second || odd.Host.Total != before.Host.Total-time.Second {
		t.Errorf("rewound: %+v, before %+v", odd.Host, before.Host)
	}
	do(t, w, fake.Action{Do: fake.ShowStats, Domain: "vm1"})
	if again := sample(t, w, "h1"); again.Host != before.Host || !reflect.DeepEqual(counters(t, again, "vm1"), counters(t, before, "vm1")) {
		t.Errorf("afterwards: %+v", again)
	}
	do(t, w, fake.Action{Do: fake.ProcDown, Host: "h1"})
	s, err := on(t, w, "h1").Sample(t.Context())
	if !errors.Is(err, fake.ErrUnreadable) || s.Host.Known || !s.DomainsKnown || len(s.Domains) != 2 {
		t.Errorf("blind: %+v, %v", s, err)
	}
}
