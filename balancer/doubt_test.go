package balancer

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// TestAlarmFreezesTheTarget: what a source has found freezes the target as well,
// over a restart, until the source says how it has ended or is silent for long.
func TestAlarmFreezesTheTarget(t *testing.T) {
	r := requestFor("op1", 1000, policy.GiB)
	told := peer.Alarm{Op: "op1", Name: "vm1", Reason: policy.Duplicated}
	// alarmed is a target that knows of the alarm and was restarted then.
	alarmed := func(t *testing.T) (*Core, time.Time) {
		t.Helper()
		before, now := coreOn("target", 0.5)
		if why := before.Admit(now, r); why != policy.OK {
			t.Fatal(why)
		}
		now = feed(before, now, 0.5, 1, domainCounters(r.Move.Domain))
		if !before.Alarmed(now, "source", r.Move.Domain, told) || before.Alarmed(now, "source", r.Move.Domain, told) {
			t.Error("the first time is news, and the second is not")
		}
		written, err := json.Marshal(before.Memory())
		if err != nil {
			t.Fatal(err)
		}
		var m Memory
		if err := json.Unmarshal(written, &m); err != nil {
			t.Fatal(err)
		}
		return NewCore(before.facts, testTuning(), m), now
	}
	frozen := func(t *testing.T, c *Core, now time.Time, want bool) {
		t.Helper()
		if c.HostState(now).Flags.Has(policy.Frozen) != want || c.View(now, Fleet{}).Conditions.Frozen != want {
			t.Errorf("frozen is %t, want %t", !want, want)
		}
	}

	t.Run("ended", func(t *testing.T) {
		c, now := alarmed(t)
		frozen(t, c, now, true)
		another := r.Move
		another.From = "stranger"
		c.Ended(now, peer.FinishRequest{Op: "op1", Move: another, Result: policy.Failed})
		frozen(t, c, now, true)
		c.Ended(now, peer.FinishRequest{Op: "op1", Move: r.Move, Result: policy.Failed})
		frozen(t, c, now, false)
	})
	t.Run("silence", func(t *testing.T) {
		c, now := alarmed(t)
		now = feed(c, now, 0.5, 6*59, domainCounters(r.Move.Domain))
		frozen(t, c, now, true)
		now = feed(c, now, 0.5, 6*2, domainCounters(r.Move.Domain))
		frozen(t, c, now, false)
	})
	t.Run("repeated", func(t *testing.T) {
		c, now := alarmed(t)
		for range 3 {
			now = feed(c, now, 0.5, 6*50, domainCounters(r.Move.Domain))
			c.Alarmed(now, "source", r.Move.Domain, told)
		}
		frozen(t, c, now, true)
	})
}

// What does not concern this host, or calls for nobody, does not freeze it.
func TestAlarmsThatAreNotHeeded(t *testing.T) {
	r := requestFor("op1", 1000, policy.GiB)
	for name, told := range map[string]struct {
		from   policy.HostID
		domain policy.DomainID
		alarm  peer.Alarm
	}{
		"only to be awaited": {"source", r.Move.Domain, peer.Alarm{Op: "op1", Reason: policy.NotLocated}},
		"another's promise":  {"stranger", r.Move.Domain, peer.Alarm{Op: "op1", Reason: policy.Lost}},
		"no promise":         {"source", "elsewhere", peer.Alarm{Op: "op2", Reason: policy.Lost}},
	} {
		t.Run(name, func(t *testing.T) {
			c, now := coreOn("target", 0.5)
			if why := c.Admit(now, r); why != policy.OK {
				t.Fatal(why)
			}
			if c.Alarmed(now, told.from, told.domain, told.alarm) || c.frozen() {
				t.Errorf("%+v froze the host", told)
			}
		})
	}
}

// However many hosts whoever asks claims to be, what is kept is bounded.
func TestAlarmsAreBounded(t *testing.T) {
	r := requestFor("op1", 1000, policy.GiB)
	c, now := coreOn("target", 0.5, domainCounters(r.Move.Domain))
	for i := range 2 * peer.AlarmsMax {
		from := policy.HostID(fmt.Sprint("host", i))
		c.Alarmed(now, from, r.Move.Domain, peer.Alarm{Op: "op1", Reason: policy.Duplicated})
	}
	if n := len(c.Alarms()); n != peer.AlarmsMax {
		t.Errorf("%d alarms are kept, want %d", n, peer.AlarmsMax)
	}
	if c.Alarmed(now, "host0", r.Move.Domain, peer.Alarm{Op: "op1", Reason: policy.Lost}); c.Alarms()[0].Reason != policy.Lost {
		t.Error("one that is kept does not change any more")
	}
}

// TestUnconfirmedStays: a domain that has arrived is not moved on until its
// source has said how the move ended, over restarts, or an hour has passed.
func TestUnconfirmedStays(t *testing.T) {
	r := requestFor("op1", 1000, policy.GiB)
	arrived := func(t *testing.T) (*Core, time.Time) {
		t.Helper()
		c, now := coreOn("target", 0.5)
		if why := c.Admit(now, r); why != policy.OK {
			t.Fatal(why)
		}
		now = feed(c, now, 0.5, 1, domainCounters(r.Move.Domain))
		obstacle(t, c, policy.Unconfirmed)
		c.Finished("op1")
		obstacle(t, c, policy.Unconfirmed)
		if c.frozen() || len(c.Alarms()) != 0 {
			t.Error("frozen, and nobody calls for a person")
		}
		again := NewCore(c.facts, testTuning(), c.Memory())
		return again, feed(again, now, 0.5, 2, domainCounters(r.Move.Domain))
	}

	t.Run("told", func(t *testing.T) {
		c, now := arrived(t)
		obstacle(t, c, policy.Unconfirmed)
		c.Ended(now, peer.FinishRequest{Op: "op1", Move: r.Move, Result: policy.Succeeded, Handoff: r.Handoff})
		obstacle(t, c, policy.OK)
	})
	t.Run("told first", func(t *testing.T) {
		c, now := coreOn("target", 0.5)
		c.Admit(now, r)
		c.Ended(now, peer.FinishRequest{Op: "op1", Move: r.Move, Result: policy.Succeeded, Handoff: r.Handoff})
		feed(c, now, 0.5, 1, domainCounters(r.Move.Domain))
		obstacle(t, c, policy.OK)
		c.Finished("op1")
		obstacle(t, c, policy.OK)
	})
	t.Run("silence", func(t *testing.T) {
		c, now := arrived(t)
		now = feed(c, now, 0.5, 6*59, domainCounters(r.Move.Domain))
		obstacle(t, c, policy.Unconfirmed)
		feed(c, now, 0.5, 6*2, domainCounters(r.Move.Domain))
		obstacle(t, c, policy.OK)
	})
	t.Run("brought by another move since", func(t *testing.T) {
		c, now := arrived(t)
		now = feed(c, now, 0.5, 1) // it has left
		next := requestFor("op2", 1000, policy.GiB)
		next.Move.Domain, next.Move.From = r.Move.Domain, "another"
		if why := c.Admit(now, next); why != policy.OK {
			t.Fatal(why)
		}
		c.Ended(now, peer.FinishRequest{Op: "op2", Move: next.Move, Result: policy.Succeeded, Handoff: next.Handoff})
		feed(c, now, 0.5, 1, domainCounters(r.Move.Domain))
		c.Finished("op2")
		obstacle(t, c, policy.OK)
	})
}

// obstacle checks what is in the way of moving the one domain that is here.
func obstacle(t *testing.T, c *Core, want policy.Reason) {
	t.Helper()
	d := c.movable()
	if len(d) != 1 || d[0].Obstacle != want {
		t.Errorf("domains %+v, want one with the obstacle %s", d, want)
		return
	}
	if want == policy.OK {
		return
	}
	o := operation.Operation{ID: "op9", Move: policy.Move{Domain: d[0].ID}}
	if why := c.Recheck(c.sample.At, o); why != want {
		t.Errorf("an operation on it that was promised a place may begin: %s", why)
	}
}
