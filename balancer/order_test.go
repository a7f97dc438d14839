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
