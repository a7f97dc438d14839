package balancer

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

func TestCancelledOperationsGoNoFurther(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	c := NewCore(policy.HostFacts{ID: "a"}, Tuning{Policy: policy.DefaultConfig(), TimeConstant: time.Second}, Memory{})
	if _, ok := c.Cancel("op"); ok {
		t.Error("an operation that does not exist was cancelled")
	}
	o := c.Begin(now, "op", policy.Move{Domain: "vm", From: "a", To: "b", Why: policy.Manual}, policy.Endpoint{})
	if _, ok := c.Cancel("op"); !ok {
		t.Fatal("an open operation was not found")
	}
	if why := c.Recheck(now, o); why != policy.Cancelled {
		t.Errorf("rechecked: %v, want cancelled", why)
	}
	o.Phase = operation.Failed
	c.Advanced(now, o)
	if again := c.Begin(now, "op2", o.Move, policy.Endpoint{}); c.Recheck(now, again) == policy.Cancelled {
		t.Error("the next operation is cancelled, too")
	}
}

// TestTheSlotOfAnEndedMoveIsFreeAtOnce: the last sample was taken while the move
// ran, and a person who has seen it end orders the next.
func TestTheSlotOfAnEndedMoveIsFreeAtOnce(t *testing.T) {
	leaving := domainCounters("vm")
	leaving.Job = policy.MigratingOut
	c, now := coreOn("a", 0.5, leaving, domainCounters("next"))
	o := c.Begin(now, "op", policy.Move{Domain: "vm", From: "a", To: "b", Why: policy.Manual}, policy.Endpoint{})
	o.Phase, o.Begun = operation.Started, now
	c.Advanced(now, o)
	now = feed(c, now, 0.5, 1, leaving, domainCounters("next"))
	want := policy.Order{Domain: "next", To: "b", Why: policy.Manual}
	if _, why := c.Order(now, Fleet{}, want); why != policy.InFlight {
		t.Fatalf("while it runs: %v, want %v", why, policy.InFlight)
	}
	o.Phase, o.Outcome = operation.Done, policy.Outcome{Result: policy.Succeeded}
	c.Advanced(now, o)
	if _, why := c.Order(now, Fleet{}, want); why != policy.HostStale {
		t.Errorf("after it has ended: %v, want %v, for there is no host b here", why, policy.HostStale)
	}
}

func TestFlagsOutliveTheDaemon(t *testing.T) {
	facts := policy.HostFacts{ID: "a"}
	tuning := Tuning{Policy: policy.DefaultConfig(), TimeConstant: time.Second}
	c := NewCore(facts, tuning, Memory{})
	c.SetDraining(true)
	c.SetCordoned(true)
	again := NewCore(facts, tuning, c.Memory())
	if f := again.HostState(time.Unix(0, 0)).Flags; !f.Has(policy.Draining) || !f.Has(policy.Cordoned) {
		t.Errorf("flags %v after a restart, want draining and cordoned", f)
	}
}

func TestProposalsThatAreNotMadeAnyMoreAreRefused(t *testing.T) {
	c := NewCore(policy.HostFacts{ID: "a"}, Tuning{Policy: policy.DefaultConfig(), TimeConstant: time.Second}, Memory{})
	_, why := c.Order(time.Unix(0, 0), Fleet{}, policy.Order{Domain: "vm", To: "b"})
	if why != policy.Superseded {
		t.Errorf("got %v, want superseded", why)
	}
}
