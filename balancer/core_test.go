package balancer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

var testStart = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// coreOn returns the core of a host of 10 CPUs and 100 GiB that has been seen
// to use the given share of its CPU for long enough.
func coreOn(host policy.HostID, used policy.Fraction, domains ...policy.DomainCounters) (*Core, time.Time) {
	facts := policy.HostFacts{ID: host, Name: string(host), Capacity: policy.Load{CPU: 10_000, Memory: 100 * policy.GiB}}
	c := NewCore(facts, testTuning(), Memory{})
	return c, feed(c, testStart, used, 10, domains...)
}

func testTuning() Tuning {
	t := Tuning{Policy: policy.DefaultConfig(), Mode: policy.AutoMode, Interval: 10 * time.Second, TimeConstant: 20 * time.Second, ReserveTTL: 30 * time.Second}
	t.Policy.MaxInbound = 3
	return t
}

// feed gives the core n samples, 10 s apart, and returns the time after them.
func feed(c *Core, now time.Time, used policy.Fraction, n int, domains ...policy.DomainCounters) time.Time {
	total := c.sample.Host.Total
	busy := c.sample.Host.Busy
	for range n {
		now = now.Add(10 * time.Second)
		total += 100 * time.Second
		busy += time.Duration(float64(used) * float64(100*time.Second))
		for i := range domains {
			domains[i].CPUTime += 10 * time.Second // one CPU
		}
		c.Sampled(now, policy.Sample{
			At: now, DomainsKnown: true, Domains: domains,
			Host: policy.HostCounters{Known: true, Busy: busy, Total: total, MemoryTotal: 100 * policy.GiB, MemoryAvailable: 80 * policy.GiB},
		})
		c.Decide(now, Fleet{Known: 1})
	}
	return now
}

func domainCounters(id policy.DomainID) policy.DomainCounters {
	return policy.DomainCounters{
		ID: id, Name: string(id), State: policy.StateRunning, VCPUs: 2,
		StatsKnown: true, Memory: policy.GiB, MemoryMax: policy.GiB,
	}
}

func requestFor(op policy.OpID, cpu policy.MilliCPU, memory policy.Bytes) peer.ReserveRequest {
	return peer.ReserveRequest{
		Op: op,
		Move: policy.Move{
			Domain: policy.DomainID("domain-of-" + op), From: "source", To: "target",
			Load: policy.Load{CPU: cpu, Memory: memory}, MemoryMax: memory,
		},
		Handoff: hypervisor.Handoff{Autostart: true},
	}
}

func TestAdmitBooksOnce(t *testing.T) {
	c, now := coreOn("target", 0.5)
	r := requestFor("op1", 1000, policy.GiB)
	for range 3 {
		if why := c.Admit(now, r); why != policy.OK {
			t.Fatalf("refused: %s", why)
		}
	}
	want := policy.Load{CPU: 1000, Memory: policy.GiB}
	if got := c.HostState(now).Promised; got != want {
		t.Errorf("promised %+v, want %+v", got, want)
	}
	if why := c.Admit(now, requestFor("op2", 1000, policy.GiB)); why != policy.HostOverReceive {
		t.Errorf("a second CPU on 50%% + 10%%: %s, want %s", why, policy.HostOverReceive)
	}
}

func TestPromiseExpires(t *testing.T) {
	c, now := coreOn("target", 0.5)
	r := requestFor("op1", 1000, policy.GiB)
	if why := c.Admit(now, r); why != policy.OK {
		t.Fatal(why)
	}
	now = now.Add(20 * time.Second)
	if !c.Renew(now, "source", "op1") {
		t.Fatal("a live promise is not renewed")
	}
	now = feed(c, now, 0.5, 2) // 20 s later: alive only because it was renewed
	if p := c.HostState(now).Promised; p.CPU != 1000 {
		t.Errorf("promised %+v after renewal", p)
	}
	now = feed(c, now, 0.5, 2)
	if p := c.HostState(now).Promised; p != (policy.Load{}) {
		t.Errorf("promised %+v after silence", p)
	}
	if c.Renew(now, "source", "op1") {
		t.Error("an expired promise is renewed")
	}
}

func TestFailedMoveFreesTheRoom(t *testing.T) {
	c, now := coreOn("target", 0.5)
	r := requestFor("op1", 1000, policy.GiB)
	if why := c.Admit(now, r); why != policy.OK {
		t.Fatal(why)
	}
	stranger := r.Move
	stranger.From = "stranger"
	c.Ended(now, peer.FinishRequest{Op: "op1", Move: stranger, Result: policy.Failed})
	if c.Renew(now, "stranger", "op1") || c.HostState(now).Promised.CPU != 1000 {
		t.Error("a stranger renews or ends a promise")
	}
	c.Ended(now, peer.FinishRequest{Op: "op1", Move: r.Move, Result: policy.Failed})
	if p := c.HostState(now).Promised; p != (policy.Load{}) {
		t.Errorf("promised %+v", p)
	}
}

func TestAlreadyThere(t *testing.T) {
	r := requestFor("op1", 1000, policy.GiB)
	c, now := coreOn("target", 0.1, domainCounters(r.Move.Domain))
	if why := c.Admit(now, r); why != policy.AlreadyThere {
		t.Errorf("%s, want %s", why, policy.AlreadyThere)
	}
}

// TestNeverOverPromised: whatever is asked, renewed, ended and forgotten, used
// and promised load stays within the receive limits.
func TestNeverOverPromised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		used := policy.Fraction(rapid.Float64Range(0, 0.9).Draw(t, "used"))
		c, now := coreOn("target", used)
		limits := c.tuning.Policy
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			op := policy.OpID(fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "op")))
			before := c.HostState(now)
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				c.Renew(now, "source", op)
			case 1:
				result := rapid.SampledFrom(policy.Results()).Draw(t, "result")
				c.Ended(now, peer.FinishRequest{Op: op, Move: requestFor(op, 0, 0).Move, Result: result})
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "wait")) * time.Second)
			default:
				r := requestFor(op, policy.MilliCPU(rapid.IntRange(0, 8000).Draw(t, "cpu")), policy.Bytes(rapid.IntRange(0, 80).Draw(t, "GiB"))*policy.GiB)
				if c.Admit(now, r) != policy.OK {
					continue
				}
				s := c.HostState(now)
				if s.Promised == before.Promised {
					continue // it had been granted before
				}
				h := policy.Host{HostFacts: c.facts, HostState: s}
				if h.Utilization(policy.CPU) > limits.Marks.Receive || h.Utilization(policy.Memory) > limits.MemoryReceive {
					t.Fatalf("promised beyond the limits: cpu %s, memory %s", h.Utilization(policy.CPU), h.Utilization(policy.Memory))
				}
				if s.Inbound > limits.MaxInbound {
					t.Fatalf("%d inbound, at most %d", s.Inbound, limits.MaxInbound)
				}
			}
		}
	})
}

func TestRecheck(t *testing.T) {
	o := operation.Operation{Move: policy.Move{Domain: "vm", Why: policy.Overload}}
	paused := domainCounters("vm")
	paused.State = policy.StatePaused
	for _, tt := range []struct {
		name  string
		prior func(c *Core)
		after time.Duration
		here  []policy.DomainCounters
		want  policy.Reason
	}{
		{"fine", func(*Core) {}, 0, []policy.DomainCounters{domainCounters("vm")}, policy.OK},
		{"gone", func(*Core) {}, 0, nil, policy.SourceGone},
		{"paused domain", func(*Core) {}, 0, []policy.DomainCounters{paused}, policy.NotRunning},
		{"paused by operator", func(c *Core) { c.SetPaused(true) }, 0, []policy.DomainCounters{domainCounters("vm")}, policy.PausedByOperator},
		{"disk full", func(c *Core) { c.JournalFailed(errors.New("full")) }, 0, []policy.DomainCounters{domainCounters("vm")}, policy.JournalUnwritable},
		{"no sample", func(*Core) {}, time.Hour, []policy.DomainCounters{domainCounters("vm")}, policy.NoSample},
		{"another domain on both hosts", func(c *Core) {
			c.Adopt(operation.Operation{ID: "x", Phase: operation.Unknown, Outcome: policy.Outcome{Reason: policy.Duplicated}})
		}, 0, []policy.DomainCounters{domainCounters("vm")}, policy.FrozenHost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, now := coreOn("source", 0.5, tt.here...)
			tt.prior(c)
			if got := c.Recheck(now.Add(tt.after), o); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestOutcomeFeedsThePolicy: a refusal keeps the pair apart for a short while,
// a failure for longer, a success makes the host settle.
func TestOutcomeFeedsThePolicy(t *testing.T) {
	m := policy.Move{Domain: "vm", From: "source", To: "target", Load: policy.Load{CPU: 1000}}
	c, now := coreOn("source", 0.9, domainCounters("vm"))
	others := []policy.Host{{
		HostFacts: policy.HostFacts{ID: "target", Name: "target", Capacity: policy.Load{CPU: 10_000, Memory: 100 * policy.GiB}},
		Received:  now,
	}}
	d := c.Decide(now, Fleet{Others: others, Known: 2})
	if len(d.Plan) != 1 || d.Hold != policy.OK {
		t.Fatalf("no plan for a host at 90%%: %+v", d)
	}
	o := c.Begin(now, "op1", m, policy.Endpoint{})
	if d := c.Decide(now, Fleet{Others: others, Known: 2}); d.Hold != policy.InFlight {
		t.Errorf("with a move in flight: %s", d.Hold)
	}
	o.Phase, o.Outcome = operation.Failed, policy.Outcome{Result: policy.Failed, Reason: policy.HostMemory}
	c.Advanced(now, o)
	if d := c.Decide(now, Fleet{Others: others, Known: 2}); len(d.Plan) != 0 || d.Hold != policy.NoFeasibleHost {
		t.Errorf("right after a refusal: %+v", d)
	}
	later := now.Add(31 * time.Second)
	others[0].Received = later
	feed(c, now, 0.9, 4, domainCounters("vm"))
	if d := c.Decide(later, Fleet{Others: others, Known: 2}); len(d.Plan) != 1 {
		t.Errorf("after the back-off: %+v", d)
	}
	o.Begun, o.Phase, o.Outcome.Result = later, operation.Done, policy.Succeeded
	c.Advanced(later, o)
	if d := c.Decide(later, Fleet{Others: others, Known: 2}); d.Hold != policy.Settling {
		t.Errorf("after a success: %s", d.Hold)
	}
}

// TestHistoryTravels: what a domain remembers of its moves is counted on when it
// leaves, once, and a host that somebody else claims to be starts nothing.
func TestHistoryTravels(t *testing.T) {
	moved := domainCounters("vm")
	moved.History = policy.MoveHistory{Last: testStart.Add(-time.Hour), From: "elsewhere", Count: 2}
	c, now := coreOn("source", 0.9, moved)
	if h := c.Leaving(now, "vm", policy.Drain); h.Count != 3 || h.From != "" {
		t.Errorf("history %+v of a drain, want the third move, from a host to which it may return", h)
	}
	if h := c.Leaving(now, "vm", policy.Overload); h.Count != 3 || h.From != "source" || !h.Last.Equal(now) {
		t.Errorf("history %+v, want the third move, from source", h)
	}
	if d := c.Decide(now, Fleet{Known: 2, Conflict: true}); d.Hold != policy.NameConflict {
		t.Errorf("held because %s, want %s", d.Hold, policy.NameConflict)
	}
}

// TestClockThatWasAhead: what an earlier life wrote down with a clock that was
// ahead holds nothing up for longer than it would from now.
func TestClockThatWasAhead(t *testing.T) {
	before, now := coreOn("target", 0.5)
	if why := before.Admit(now, requestFor("op1", 1000, policy.GiB)); why != policy.OK {
		t.Fatal(why)
	}
	m := before.Memory()
	m.State.SettleUntil, m.State.BrokenUntil = now.Add(time.Hour), now.Add(time.Hour)
	c := NewCore(before.facts, testTuning(), m)
	now = feed(c, now.Add(-24*time.Hour), 0.5, 4)
	if p := c.HostState(now).Promised; p != (policy.Load{}) {
		t.Errorf("still promised: %+v", p)
	}
	if limit := now.Add(c.tuning.Policy.BreakerReset); c.state.BrokenUntil.After(limit) || c.state.SettleUntil.After(limit) {
		t.Errorf("waits until %s and %s", c.state.BrokenUntil, c.state.SettleUntil)
	}
}

// TestOneOperationADomain: where several may move at once, a domain whose
// operation has not ended is left alone.
func TestOneOperationADomain(t *testing.T) {
	c, now := coreOn("source", 0.9, domainCounters("vm"))
	o := c.Begin(now, "op1", policy.Move{Domain: "vm"}, policy.Endpoint{})
	if d, _ := c.View(now, Fleet{Known: 1}).Domain("vm"); d.Obstacle != policy.JobActive {
		t.Errorf("obstacle %s, want %s", d.Obstacle, policy.JobActive)
	}
	if why := c.Recheck(now, o); why != policy.OK {
		t.Errorf("it is in its own way: %s", why)
	}
	second := c.Begin(now, "op2", policy.Move{Domain: "vm"}, policy.Endpoint{})
	if why := c.Recheck(now, second); why != policy.JobActive {
		t.Errorf("a second operation: %s, want %s", why, policy.JobActive)
	}
}

// TestRevoke: a promise that could not be written down is taken back, unless
// its source goes by it.
func TestRevoke(t *testing.T) {
	c, now := coreOn("target", 0.5)
	for _, renewed := range []bool{false, true} {
		if why := c.Admit(now, requestFor("op1", 1000, policy.GiB)); why != policy.OK {
			t.Fatal(why)
		}
		if renewed {
			c.Renew(now, "source", "op1")
		}
		c.Revoke("op1")
		if held := c.HostState(now).Promised.CPU != 0; held != renewed {
			t.Errorf("renewed %t, held %t", renewed, held)
		}
	}
}
