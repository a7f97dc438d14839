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

// TestArrival: libvirt's truth keeps a promise alive while the domain is on its
// way, whatever the source says, and finishes the arrival when it runs.
func TestArrival(t *testing.T) {
	c, now := coreOn("target", 0.5)
	r := requestFor("op1", 1000, policy.GiB)
	if why := c.Admit(now, r); why != policy.OK {
		t.Fatal(why)
	}
	coming := domainCounters(r.Move.Domain)
	coming.State, coming.Job = policy.StatePaused, policy.MigratingIn
	now = feed(c, now, 0.5, 20, coming) // far beyond the TTL
	if s := c.HostState(now); s.Promised.CPU != 1000 || s.Inbound != 1 || s.Running != 0 {
		t.Fatalf("while it is on its way: %+v", s)
	}
	coming.State, coming.Job = policy.StateRunning, policy.NoJob
	now = now.Add(10 * time.Second)
	s := c.sample
	s.At, s.Domains = now, []policy.DomainCounters{coming}
	arrived := c.Sampled(now, s)
	if len(arrived) != 1 || !arrived[0].Handoff.Autostart {
		t.Fatalf("arrived: %+v", arrived)
	}
	if s := c.HostState(now); s.Promised.CPU != 1000 || s.Inbound != 0 || s.Running != 1 {
		t.Errorf("settling: %+v", s)
	}
	now = feed(c, now, 0.6, 7, coming)
	if s := c.HostState(now); s.Promised.CPU != 0 {
		t.Errorf("still promised after settling: %+v", s)
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

// TestArrivalIsFinishedInTheEnd: what a migration does not carry over is set
// even if the promise had expired, the daemon was restarted meanwhile, and the
// hypervisor did not answer at first.
func TestArrivalIsFinishedInTheEnd(t *testing.T) {
	r := requestFor("op1", 1000, policy.GiB)
	before, now := coreOn("target", 0.5)
	if why := before.Admit(now, r); why != policy.OK {
		t.Fatal(why)
	}
	now = now.Add(10 * time.Minute) // beyond the TTL: the daemon was down
	c := NewCore(before.facts, testTuning(), before.Memory())
	for range 3 { // as long as it fails
		now = now.Add(10 * time.Second)
		arrived := c.Sampled(now, policy.Sample{At: now, DomainsKnown: true, Domains: []policy.DomainCounters{domainCounters(r.Move.Domain)}})
		if len(arrived) != 1 || !arrived[0].Handoff.Autostart || arrived[0].Handoff.History.Last.Before(testStart) {
			t.Fatalf("arrived: %+v", arrived)
		}
		c = NewCore(before.facts, testTuning(), c.Memory())
	}
	c.Finished("op1")
	now = now.Add(10 * time.Second)
	if again := c.Sampled(now, policy.Sample{At: now, DomainsKnown: true, Domains: []policy.DomainCounters{domainCounters(r.Move.Domain)}}); len(again) != 0 {
		t.Errorf("finished twice: %+v", again)
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

// TestLapsedPromise: over a network so slow that a promise was not renewed, the
// domain comes after its promise has ended. A look right before the next grant
// finds it, though no sample has shown it yet.
func TestLapsedPromise(t *testing.T) {
	first, second := requestFor("op1", 1000, policy.GiB), requestFor("op2", 1000, policy.GiB)
	coming := policy.Presence{Known: true, Active: true, State: policy.StatePaused, Job: policy.MigratingIn}
	arrived := policy.Presence{Known: true, Active: true, State: policy.StateRunning}
	for _, tt := range []struct {
		name     string
		found    policy.Presence
		want     policy.Reason
		inbound  int
		promised policy.MilliCPU
	}{
		{"is not coming", policy.Presence{Known: true}, policy.OK, 1, 1000},
		{"is coming", coming, policy.HostInboundLimit, 1, 1000},
		{"has come", arrived, policy.OK, 1, 2000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, now := coreOn("target", 0.2)
			c.tuning.Policy.MaxInbound = 1
			if why := c.Admit(now, first); why != policy.OK {
				t.Fatal(why)
			}
			if lapsed := c.Lapsed(now); len(lapsed) != 0 {
				t.Fatalf("lapsed at once: %s", lapsed)
			}
			now = now.Add(30 * time.Second) // no sample since
			lapsed := c.Lapsed(now)
			if len(lapsed) != 1 || lapsed[0] != first.Move.Domain {
				t.Fatalf("lapsed: %s", lapsed)
			}
			c.Found(now, lapsed[0], tt.found)
			if why := c.Admit(now, second); why != tt.want {
				t.Errorf("the next is answered %s, want %s", why, tt.want)
			}
			if s := c.HostState(now); s.Inbound != tt.inbound || s.Promised.CPU != tt.promised {
				t.Errorf("%d inbound, %d promised; want %d and %d", s.Inbound, s.Promised.CPU, tt.inbound, tt.promised)
			}
		})
	}
}

// TestSampleRevivesPromise: a domain whose promise ended long ago holds its room
// again as soon as a sample shows it on its way, also after a restart.
func TestSampleRevivesPromise(t *testing.T) {
	r := requestFor("op1", 1000, policy.GiB)
	c, now := coreOn("target", 0.5)
	if why := c.Admit(now, r); why != policy.OK {
		t.Fatal(why)
	}
	now = feed(c, now, 0.5, 12)
	if p := c.HostState(now).Promised; p != (policy.Load{}) {
		t.Fatalf("promised %+v after silence", p)
	}
	coming := domainCounters(r.Move.Domain)
	coming.State, coming.Job = policy.StatePaused, policy.MigratingIn
	next := NewCore(c.facts, testTuning(), c.Memory())
	for _, c := range []*Core{c, next} {
		if now := feed(c, now, 0.5, 1, coming); c.HostState(now).Promised.CPU != 1000 {
			t.Errorf("promised %+v while it is on its way", c.HostState(now).Promised)
		}
	}
}

// TestRestartWithClockAhead: a daemon that was restarted does not know how long it
// was away; a promise holds for a TTL from then.
func TestRestartWithClockAhead(t *testing.T) {
	before, now := coreOn("target", 0.2)
	before.tuning.Policy.MaxInbound = 1
	if why := before.Admit(now, requestFor("op1", 1000, policy.GiB)); why != policy.OK {
		t.Fatal(why)
	}
	c := NewCore(before.facts, before.tuning, before.Memory())
	now = feed(c, now.Add(time.Hour), 0.2, 2)
	if why := c.Admit(now, requestFor("op2", 1000, policy.GiB)); why != policy.HostInboundLimit {
		t.Errorf("the next is answered %s, want %s", why, policy.HostInboundLimit)
	}
	now = feed(c, now, 0.2, 2)
	if why := c.Admit(now, requestFor("op2", 1000, policy.GiB)); why != policy.OK {
		t.Errorf("a TTL later it is answered %s", why)
	}
}

// TestReserveTimeout: whatever promise an answer in time brings, its first renewal
// is due before it ends.
func TestReserveTimeout(t *testing.T) {
	for _, ttl := range []time.Duration{5 * time.Second, 30 * time.Second, 10 * time.Minute} {
		o := operation.Operation{Move: policy.Move{Domain: "vm"}, Begun: testStart.Add(ReserveTimeout(ttl))}
		v := NewVigil(o.Begun, o, TransferOptions{DeadlineFactor: 4, DeadlineMin: time.Hour}, ttl)
		if asked := testStart; v.Next().After(asked.Add(ttl)) {
			t.Errorf("a promise of %s, asked for at %s, is first renewed at %s", ttl, asked, v.Next())
		}
	}
}

// TestSupersededArrival: the answer to a source was late, it gave up, and its word
// of that was lost. Another host brings the domain later: what the first said of it
// is not set on it.
func TestSupersededArrival(t *testing.T) {
	given, brings := requestFor("op2", 1000, policy.GiB), requestFor("op1", 1000, policy.GiB)
	given.Move.Domain, given.Move.From = brings.Move.Domain, "first"
	brings.Handoff.Autostart = false
	running := domainCounters(brings.Move.Domain)
	for _, told := range []bool{false, true} {
		c, now := coreOn("target", 0.2)
		if why := c.Admit(now, given); why != policy.OK {
			t.Fatal(why)
		}
		now = feed(c, now, 0.2, 12)
		if why := c.Admit(now, brings); why != policy.OK {
			t.Fatal(why)
		}
		if told {
			if a, ok := c.Ended(now, peer.FinishRequest{Op: "op1", Move: brings.Move, Result: policy.Succeeded}); !ok || a.Op != "op1" {
				t.Fatalf("arrived: %t, %+v", ok, a)
			}
		}
		sample := func() []Arrived {
			now = now.Add(10 * time.Second)
			return c.Sampled(now, policy.Sample{At: now, DomainsKnown: true, Domains: []policy.DomainCounters{running}})
		}
		if all := sample(); len(all) != 1 || all[0].Op != "op1" || all[0].Handoff.Autostart {
			t.Errorf("told %t: arrived: %+v", told, all)
		}
		c.Finished("op1")
		if all := sample(); len(all) != 0 {
			t.Errorf("told %t: then arrived: %+v", told, all)
		}
	}
}

// TestNobodyComesBackBeforeItsMoveIsClosed: the journal could not be written when a
// domain had left. Until it is, the domain's return would look as if the move had
// failed.
func TestNobodyComesBackBeforeItsMoveIsClosed(t *testing.T) {
	c, now := coreOn("target", 0.2)
	r := requestFor("op2", 1000, policy.GiB)
	o := c.Begin(now, "op1", policy.Move{Domain: r.Move.Domain, From: "target", To: "source", Why: policy.Overload}, policy.Endpoint{})
	o.Phase, o.Begun = operation.Started, now
	c.Advanced(now, o)
	if why := c.Admit(now, r); why != policy.JobActive {
		t.Errorf("while its move away is open: %s, want %s", why, policy.JobActive)
	}
	o.Phase, o.Outcome = operation.Done, policy.Outcome{Result: policy.Succeeded}
	c.Advanced(now, o)
	if why := c.Admit(now, r); why != policy.OK {
		t.Errorf("after that: %s", why)
	}
}

// TestALateWordIsNotForTheNext: a person took the domain to another host while its
// move was open, and from there it was moved here after all. The first source finds
// it here and says that it has succeeded; the second has yet to speak.
func TestALateWordIsNotForTheNext(t *testing.T) {
	c, now := coreOn("target", 0.2)
	first, second := requestFor("op1", 1000, policy.GiB), requestFor("op2", 1000, policy.GiB)
	second.Move.Domain, second.Move.From = first.Move.Domain, "second"
	second.Handoff.Autostart = false
	for _, r := range []peer.ReserveRequest{first, second} {
		now = feed(c, now, 0.2, 6) // the promise to the first has ended
		if why := c.Admit(now, r); why != policy.OK {
			t.Fatal(why)
		}
	}
	ended := func(r peer.ReserveRequest) (Arrived, bool) {
		return c.Ended(now, peer.FinishRequest{Op: r.Op, Move: r.Move, Result: policy.Succeeded, Handoff: r.Handoff})
	}
	if a, ok := ended(first); ok {
		t.Errorf("the first is believed: %+v", a)
	}
	if a, ok := ended(second); !ok || a.Handoff.Autostart {
		t.Errorf("the second: %t, %+v", ok, a)
	}
}
