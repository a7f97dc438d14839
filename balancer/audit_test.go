package balancer

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// brought is a move of one CPU of ten, from a host at 90 %.
func brought(d policy.DomainID) policy.Move {
	return policy.Move{
		Domain: d, Name: string(d), From: "source", To: "target", Why: policy.Overload,
		Load: policy.Load{CPU: 1000, Memory: policy.GiB}, MemoryMax: policy.GiB,
		FromBefore: 0.9, FromAfter: 0.8, ToBefore: 0.4, ToAfter: 0.5,
	}
}

// TestSourceAsksForAudits: each audit is asked for once in a life, and by the
// next life if it was not made.
func TestSourceAsksForAudits(t *testing.T) {
	c, now := coreOn("source", 0.8)
	o := operation.Open(now, "op", brought("web"), policy.Endpoint{})
	o.Begun, o.Phase, o.Outcome = now, operation.Done, policy.Outcome{Result: policy.Succeeded}
	c.Advanced(now, o)
	now = feed(c, now, 0.8, 29) // 4 min 50 s
	if due := c.audits(now); len(due) > 0 {
		t.Fatalf("too soon: %+v", due)
	}
	now = feed(c, now, 0.8, 1)
	due := c.audits(now)
	if len(due) != 1 || due[0].Op != "op" || due[0].Missed || due[0].Used < 0.79 || due[0].Used > 0.81 {
		t.Fatalf("after five minutes: %+v", due)
	}
	if r := due[0].Request(); r.Late || r.Move.Domain != "web" || r.Used != due[0].Used {
		t.Errorf("it asks %+v", r)
	}
	if again := c.audits(now); len(again) > 0 {
		t.Errorf("asked twice: %+v", again)
	}

	next := NewCore(c.facts, c.tuning, c.Memory())
	if blind := next.audits(now); len(blind) > 0 {
		t.Errorf("a host that does not know its own load audits: %+v", blind)
	}
	now = feed(next, now, 0.8, 3)
	if due = next.audits(now); len(due) != 1 || due[0].Horizon != policy.Soon {
		t.Fatalf("in the next life: %+v", due)
	}
	next.Audited(due[0])
	if again := next.audits(now); len(again) > 0 {
		t.Errorf("it was made, and is asked for: %+v", again)
	}
	now = feed(next, now, 0.8, 6*55)
	if due = next.audits(now); len(due) != 1 || due[0].Horizon != policy.Late || !due[0].Request().Late {
		t.Fatalf("after an hour: %+v", due)
	}
	next.Audited(due[0])
	if left := next.Memory().State.Expectations; len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

// TestTargetLengthensTheCooldown: a move that did not help, once for each audit,
// until the domain leaves and takes it along.
func TestTargetLengthensTheCooldown(t *testing.T) {
	web := domainCounters("web")
	web.History = policy.MoveHistory{Last: testStart, From: "source", Count: 1}
	c, now := coreOn("target", 0.5, web)
	unhelped := func(c *Core) int { return c.View(now, Fleet{}).Domains[0].History.Unhelped }

	r := peer.AuditRequest{Op: "op", Move: brought("web"), Used: 0.8}
	if a := c.Audit(now, r); a.Effect != policy.Improved || len(c.Memory().Regrets) > 0 {
		t.Fatalf("as predicted: %+v, %+v", a, c.Memory().Regrets)
	}
	r.Used = 0.1 // the source has emptied by itself
	for range 3 {
		if a := c.Audit(now, r); a.Effect != policy.Worse {
			t.Fatalf("the source is idle: %+v", a)
		}
		if now = feed(c, now, 0.5, 1, web); unhelped(c) != 1 {
			t.Fatalf("%d audits are counted, want 1", unhelped(c))
		}
	}
	r.Late = true
	c.Audit(now, r)
	next := NewCore(c.facts, c.tuning, c.Memory())
	now = feed(next, now, 0.5, 3, web)
	if unhelped(next) != 2 {
		t.Fatalf("after both audits and a restart: %d, want 2", unhelped(next))
	}
	if h := next.Leaving(now, "web", policy.Overload); h.Count != 2 || h.Unhelped != 2 {
		t.Errorf("it takes %+v along", h)
	}
	now = feed(next, now, 0.5, 1)
	if left := next.Memory().Regrets; len(left) > 0 {
		t.Errorf("it has left: %+v", left)
	}
}

// TestUnknownNeverPunishes: whatever is asked, and whatever of it is not known,
// only a move that did not help lengthens a cooldown, and only of its domain.
func TestUnknownNeverPunishes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		web := domainCounters("web")
		web.History = policy.MoveHistory{Last: testStart, From: rapid.SampledFrom([]policy.HostID{"source", "elsewhere", ""}).Draw(t, "from"), Count: 1}
		samples := rapid.SampledFrom([]int{1, 10}).Draw(t, "samples") // one makes no rate
		facts := policy.HostFacts{ID: "target", Capacity: policy.Load{CPU: 10_000, Memory: 100 * policy.GiB}}
		c := NewCore(facts, testTuning(), Memory{})
		now := feed(c, testStart, policy.Fraction(rapid.Float64Range(0, 1).Draw(t, "used")), samples, web)
		now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 90}).Draw(t, "silent")) * time.Second)
		m := brought(rapid.SampledFrom([]policy.DomainID{"web", "db"}).Draw(t, "domain"))
		m.Wait = policy.Fraction(rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "waited"))
		a := c.Audit(now, peer.AuditRequest{Op: "op", Move: m, Used: policy.Fraction(rapid.Float64Range(0, 1).Draw(t, "source"))})
		regrets := c.Memory().Regrets
		if a.Effect.Regretted() != (len(regrets) == 1) {
			t.Errorf("%s, and then %+v", a.Effect, regrets)
		}
		known := m.Domain == "web" && web.History.From == "source" && samples > 1 && !c.blind(now)
		if !known && a.Effect != policy.UnknownEffect {
			t.Errorf("%+v of what is not known", a)
		}
	})
}

// TestJournalKeepsAudits: with the operation, in its place, after a restart.
func TestJournalKeepsAudits(t *testing.T) {
	dir := t.TempDir()
	j := mustOpenJournal(t, dir)
	for _, id := range []string{"1", "2", "3"} {
		if err := j.Append(testOperation(id, operation.Done)); err != nil {
			t.Fatal(err)
		}
	}
	at := testStart
	for _, err := range []error{
		j.Audited("1", policy.Soon, policy.Audit{At: at, Effect: policy.Improved, Gain: 0.1}),
		j.Audited("1", policy.Late, policy.Audit{At: at, Effect: policy.Worse, Gain: -0.1, Seen: &policy.Outlook{From: 0.1}}),
		j.Audited("forgotten", policy.Soon, policy.Audit{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		history := j.History(10)
		if len(history) != 3 || history[0].ID != "3" || history[2].ID != "1" {
			t.Fatalf("history: %+v", history)
		}
		a := history[2].Audits
		if a.Soon == nil || a.Soon.Effect != policy.Improved || a.Late == nil || a.Late.Gain != -0.1 || a.Late.Seen.From != 0.1 {
			t.Errorf("audits: %+v", a)
		}
		j = mustOpenJournal(t, dir)
	}
}
