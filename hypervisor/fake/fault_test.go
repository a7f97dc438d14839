package fake_test

import (
	"errors"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

func handoff(autostart bool, h policy.MoveHistory) hypervisor.Handoff {
	return hypervisor.Handoff{Autostart: autostart, History: h}
}

// What each fault reports, and what it leaves on either side.
func TestFaults(t *testing.T) {
	running := policy.Presence{Known: true, Defined: true, Active: true, State: policy.StateRunning}
	gone := policy.Presence{Known: true}
	leftBehind := policy.Presence{Known: true, Defined: true, State: policy.StateShutoff, MigratedAway: true}
	husk := policy.Presence{Known: true, Defined: true, Active: true, State: policy.StatePaused, MigratedAway: true}
	outgoing, incoming := running, gone
	outgoing.Job = policy.MigratingOut
	incoming.Active, incoming.State, incoming.Job = true, policy.StatePaused, policy.MigratingIn

	for _, c := range []struct {
		kind           fake.FaultKind
		over           bool
		result         policy.Result
		reason         policy.Reason
		source, target policy.Presence
		runs           []string
		incidents      int
	}{
		{fake.FaultFail, true, policy.Failed, policy.LibvirtError, running, gone, []string{"h1"}, 0},
		{fake.FaultLost, true, policy.Failed, policy.ConnectionLost, running, gone, []string{"h1"}, 0},
		{fake.FaultHang, false, 0, 0, outgoing, incoming, []string{"h1"}, 0},
		{fake.FaultStuck, false, 0, 0, outgoing, incoming, []string{"h1"}, 0},
		{fake.FaultUnconfirmed, true, policy.Unknown, policy.ConnectionLost, leftBehind, running, []string{"h2"}, 0},
		{fake.FaultMisreport, true, policy.Failed, policy.LibvirtError, gone, running, []string{"h2"}, 0},
		{fake.FaultHusk, true, policy.Unknown, policy.ConnectionLost, husk, running, []string{"h2"}, 0},
		{fake.FaultLimbo, true, policy.Unknown, policy.ConnectionLost, husk, gone, nil, 1},
		{fake.FaultSplit, true, policy.Failed, policy.ConnectionLost, running, running, []string{"h1", "h2"}, 1},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			spec := pair()
			spec.Faults = []fake.Fault{{Kind: c.kind, Domain: "vm1", From: "h1", To: "h2", At: 0.5, Times: 1}}
			w := newWorld(t, spec)
			a := begin(t, w, "h1", to("vm1", "h2"))
			w.Advance(time.Hour)
			if o, over := a.Outcome(); over != c.over || o.Result != c.result || o.Reason != c.reason {
				t.Errorf("outcome %+v, over %v", o, over)
			}
			if p := locate(t, w, "h1", "vm1"); p != c.source {
				t.Errorf("source %+v\n  want %+v", p, c.source)
			}
			if p := locate(t, w, "h2", "vm1"); p != c.target {
				t.Errorf("target %+v\n  want %+v", p, c.target)
			}
			runsOn(t, w, "vm1", c.runs...)
			noViolations(t, w)
			if got := w.Incidents(); len(got) != c.incidents {
				t.Errorf("incidents %q, want %d", got, c.incidents)
			}
			if n := w.Boots("vm1"); n != 1 {
				t.Errorf("%d boots", n)
			}
		})
	}
}

// A fault during the copying strikes at its share of the memory, not earlier.
func TestFaultStrikesAtItsShare(t *testing.T) {
	spec := pair()
	spec.Faults = []fake.Fault{{Kind: fake.FaultFail, At: 0.5}}
	w := newWorld(t, spec)
	a := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(time.Minute)
	if o, _ := a.Outcome(); o.Duration != 5200*time.Millisecond || o.Transferred != 500*policy.MiB {
		t.Errorf("outcome %+v", o)
	}
}

func TestFaultStrikesAsOftenAsItSays(t *testing.T) {
	spec := pair()
	spec.Faults = []fake.Fault{{Kind: fake.FaultFail, Times: 2}}
	w := newWorld(t, spec)
	for try, want := range []policy.Result{policy.Failed, policy.Failed, policy.Succeeded} {
		a := begin(t, w, "h1", to("vm1", "h2"))
		w.Advance(time.Minute)
		if o, _ := a.Outcome(); o.Result != want {
			t.Errorf("try %d: %+v", try, o)
		}
	}
}

func TestHangs(t *testing.T) {
	spec := pair()
	spec.Faults = []fake.Fault{
		{Kind: fake.FaultHang, At: 0.5, For: fake.Duration(time.Minute), Times: 1},
		{Kind: fake.FaultHang, At: 0.5, Times: 1},
		{Kind: fake.FaultStuck, At: 0.5, For: fake.Duration(time.Hour), Times: 1},
	}
	w := newWorld(t, spec)
	h1, id := on(t, w, "h1"), fake.DomainID("vm2")

	passing := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(2 * time.Minute)
	if o, _ := passing.Outcome(); o.Duration != 70220*time.Millisecond || o.Result != policy.Succeeded {
		t.Errorf("a hang of a minute: %+v", o)
	}
	endless := begin(t, w, "h1", to("vm2", "h2"))
	w.Advance(time.Hour)
	if err := h1.Abort(t.Context(), id); err != nil {
		t.Error(err)
	}
	if o, _ := endless.Outcome(); o.Result != policy.Aborted {
		t.Errorf("an aborted hang: %+v", o)
	}
	deaf := begin(t, w, "h1", to("vm2", "h2"))
	w.Advance(time.Minute)
	if err := h1.Abort(t.Context(), id); err != nil {
		t.Error(err)
	}
	if o, over := deaf.Outcome(); over {
		t.Errorf("an abort that is ignored: %+v", o)
	}
	w.Advance(time.Hour)
	if o, _ := deaf.Outcome(); o.Result != policy.Succeeded {
		t.Errorf("after the hang: %+v", o)
	}
	if err := h1.Abort(t.Context(), id); !errors.Is(err, fake.ErrNoJob) {
		t.Errorf("abort of nothing: %v", err)
	}
}

// What has been told stays told.
func TestOutcomeStaysKnown(t *testing.T) {
	w := newWorld(t, pair())
	a := begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(time.Minute)
	do(t, w, fake.Action{Do: fake.LibvirtHang, Host: "h1"})
	if o, over := a.Outcome(); !over || o.Result != policy.Succeeded {
		t.Errorf("%+v, over %v", o, over)
	}
}

// People clean up what faults have left.
func TestCleaningUp(t *testing.T) {
	spec := pair()
	spec.Faults = []fake.Fault{{Kind: fake.FaultSplit, Domain: "vm1"}, {Kind: fake.FaultLimbo, Domain: "vm2"}}
	w := newWorld(t, spec)
	begin(t, w, "h1", to("vm1", "h2"))
	begin(t, w, "h1", to("vm2", "h2"))
	w.Advance(time.Minute)
	runsOn(t, w, "vm1", "h1", "h2")
	runsOn(t, w, "vm2")
	do(t, w, fake.Action{Do: fake.Discard, Domain: "vm1", Host: "h1"})
	do(t, w, fake.Action{Do: fake.Unpause, Domain: "vm2"})
	runsOn(t, w, "vm1", "h2")
	runsOn(t, w, "vm2", "h1")
	noViolations(t, w)
}

// A domain that a fault has doubled may stand still on both hosts for a moment, and
// is then on as many as it is to be on. That does not make it whole again.
func TestDoubledDomainStaysExcused(t *testing.T) {
	spec := pair()
	for _, name := range []string{"h3", "h4"} {
		host := spec.Hosts[0]
		host.Name = name
		spec.Hosts = append(spec.Hosts, host)
	}
	spec.Faults = []fake.Fault{{Kind: fake.FaultSplit, Domain: "vm1", Times: 1}}
	w := newWorld(t, spec)
	begin(t, w, "h1", to("vm1", "h2"))
	w.Advance(time.Minute)
	runsOn(t, w, "vm1", "h1", "h2")
	begin(t, w, "h1", to("vm1", "h3"))
	w.Advance(5 * time.Millisecond) // a quarter of a switch-over
	begin(t, w, "h2", to("vm1", "h4"))
	w.Advance(time.Minute)
	runsOn(t, w, "vm1", "h3", "h4")
	noViolations(t, w)
}
