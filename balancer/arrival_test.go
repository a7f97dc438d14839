package balancer

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

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
		if h := c.domains[0].History; h.Last.Before(testStart) {
			t.Fatalf("its cooldown is not known: %+v", h)
		}
		c = NewCore(before.facts, testTuning(), c.Memory())
	}
	c.Finished("op1")
	now = now.Add(10 * time.Second)
	if again := c.Sampled(now, policy.Sample{At: now, DomainsKnown: true, Domains: []policy.DomainCounters{domainCounters(r.Move.Domain)}}); len(again) != 0 {
		t.Errorf("finished twice: %+v", again)
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
	// A restart, when it has come and is still being measured, forgets nothing of that.
	feed(c, now, 0.2, 1, domainCounters(first.Move.Domain))
	next := NewCore(c.facts, testTuning(), c.Memory())
	for _, c := range []*Core{c, next} {
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
}
