package policy_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// relief takes two of ten CPUs from a host at 90 % to one at 30 %.
func relief() policy.Move {
	return policy.Move{
		Domain: "web", From: "a", To: "b", Why: policy.Overload,
		Load: policy.Load{CPU: 2000}, Wait: 0.10,
		FromBefore: 0.9, FromAfter: 0.7, ToBefore: 0.3, ToAfter: 0.5,
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name string
		seen policy.Outlook
		want policy.Effect
	}{
		{"as predicted", policy.Outlook{From: 0.7, To: 0.5, Demand: 2000, Wait: 0.02}, policy.Improved},
		{"the source grew by itself: without the move it would be fuller still", policy.Outlook{From: 0.95, To: 0.5, Demand: 2000, Wait: 0.02}, policy.Improved},
		{"the target grew by itself, but is not the fuller one", policy.Outlook{From: 0.7, To: 0.68, Demand: 2000, Wait: 0.02}, policy.Improved},
		{"a little less of everything", policy.Outlook{From: 0.6, To: 0.45, Demand: 1500, Wait: 0.10}, policy.Improved},
		{"the domain has gone idle", policy.Outlook{From: 0.7, To: 0.3, Demand: 50, Wait: 0.10}, policy.WithoutGain},
		{"the source has gone idle: it was a spike", policy.Outlook{From: 0.3, To: 0.5, Demand: 2000, Wait: 0.10}, policy.WithoutGain},
		{"idle, but it waits no more", policy.Outlook{From: 0.7, To: 0.3, Demand: 50, Wait: 0}, policy.Improved},
		{"the target has filled up: going back would relieve it", policy.Outlook{From: 0.5, To: 0.9, Demand: 2000, Wait: 0.10}, policy.Worse},
		{"the domain waits longer", policy.Outlook{From: 0.7, To: 0.5, Demand: 2000, Wait: 0.20}, policy.Worse},
		{"the domain waits a little longer", policy.Outlook{From: 0.7, To: 0.5, Demand: 2000, Wait: 0.14}, policy.Improved},
	} {
		if a := relief().Judge(start, test.seen); a.Effect != test.want || *a.Seen != test.seen || a.Reason != policy.OK {
			t.Errorf("%s: %s with a gain of %s, want %s", test.name, a.Effect, a.Gain, test.want)
		}
	}
	uncounted := relief()
	uncounted.Wait = 0
	if a := uncounted.Judge(start, policy.Outlook{From: 0.7, To: 0.5, Demand: 2000, Wait: 0.3}); a.Effect != policy.UnknownEffect || a.Reason != policy.NoStats {
		t.Errorf("a wait that was not counted before: %+v", a)
	}
	if a := (policy.Move{}).Judge(start, policy.Outlook{}); a.Effect != policy.UnknownEffect || a.Reason == policy.OK {
		t.Errorf("a move of nothing: %+v", a)
	}
}

// TestJudgeGoesByWhatWouldBe: where nothing but the move has changed anything,
// the gain is the predicted one; a move is called worse only if going back would
// lower the higher load, or the domain waits longer.
func TestJudgeGoesByWhatWouldBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1.2)
		m := relief()
		m.Load.CPU = policy.MilliCPU(rapid.Int64Range(1, 64_000).Draw(t, "demand"))
		m.Wait = policy.Fraction(share.Draw(t, "wait"))
		from, to := policy.Fraction(share.Draw(t, "from")), policy.Fraction(share.Draw(t, "to"))
		moved := policy.Fraction(share.Draw(t, "moved"))
		m.FromBefore, m.FromAfter, m.ToBefore, m.ToAfter = from+moved, from, to, to+moved
		same := m.Judge(start, policy.Outlook{From: m.FromAfter, To: m.ToAfter, Demand: m.Load.CPU, Wait: m.Wait})
		if diff := same.Gain - m.Gain(); diff > 1e-9 || diff < -1e-9 {
			t.Errorf("a gain of %v, predicted were %v", same.Gain, m.Gain())
		}
		o := policy.Outlook{
			From: policy.Fraction(share.Draw(t, "from now")), To: policy.Fraction(share.Draw(t, "to now")),
			Demand: policy.MilliCPU(rapid.Int64Range(0, 64_000).Draw(t, "demand now")), Wait: policy.Fraction(share.Draw(t, "wait now")),
		}
		a := m.Judge(start, o)
		if a.Effect == policy.Worse && o.Wait <= m.Wait && (o.To <= o.From || a.Gain >= 0) {
			t.Errorf("%+v is called worse", a)
		}
		if (a.Effect == policy.UnknownEffect) != (a.Reason != policy.OK) {
			t.Errorf("%s because %s", a.Effect, a.Reason)
		}
	})
}

// TestAuditsOnlyForbid: what they do to a domain's cooldown keeps domains where
// they are, and moves nothing that would have stayed.
func TestAuditsOnlyForbid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := eager(), anyView(t)
		c.Swaps = rapid.Bool().Draw(t, "swaps")
		c.Strategy = rapid.SampledFrom(policy.Strategies()).Draw(t, "strategy")
		free, _ := decide(c, v, policy.State{})
		for i := range v.Domains {
			h := &v.Domains[i].History
			before := c.CooledDown(*h, v.Now)
			if h.Count > 0 {
				h.Unhelped = rapid.IntRange(0, 3).Draw(t, "unhelped")
			}
			if !before && c.CooledDown(*h, v.Now) {
				t.Errorf("%+v has cooled down by an audit", *h)
			}
		}
		d, _ := decide(c, v, policy.State{})
		for _, m := range d.Plan {
			if dom, _ := v.Domain(m.Domain); m.Why != policy.RuleBroken && !c.CooledDown(dom.History, v.Now) {
				t.Errorf("%s moves within its cooldown", m.Domain)
			}
		}
		if len(free.Plan) == 0 && len(d.Plan) > 0 {
			t.Errorf("only after audits: %+v", d.Plan)
		}
	})
}

func TestUnhelpedDoublesTheCooldown(t *testing.T) {
	c := policy.DefaultConfig()
	h := policy.MoveHistory{Last: start, Count: 1, Unhelped: 2}
	if c.CooledDown(h, start.Add(2*time.Hour-time.Second)) || !c.CooledDown(h, start.Add(2*time.Hour)) {
		t.Error("the cooldown is not four times as long after two audits")
	}
	if next := c.Arrived(h, start.Add(3*time.Hour), "a"); next.Count != 2 || next.Unhelped != 2 {
		t.Errorf("the next move takes %+v along", next)
	}
	if later := c.Arrived(h, start.Add(25*time.Hour), "a"); later.Count != 1 || later.Unhelped != 0 {
		t.Errorf("a day later it is %+v", later)
	}
}

func TestExpectations(t *testing.T) {
	c, done := policy.DefaultConfig(), policy.Outcome{Result: policy.Succeeded}
	var s policy.State
	for _, why := range policy.Reasons() {
		m := relief()
		m.Why = why
		s = c.Expect(policy.State{}, start, "1", m, done)
		if want := why == policy.Overload || why == policy.Contention || why == policy.Spread; (len(s.Expectations) == 1) != want {
			t.Errorf("a move because of %s: %d expectations", why, len(s.Expectations))
		}
	}
	if s = c.Expect(policy.State{}, start, "1", relief(), policy.Outcome{Result: policy.Failed}); len(s.Expectations) > 0 {
		t.Error("a failed move is audited")
	}

	s = c.Expect(policy.State{}, start, "1", relief(), done)
	dues := func(after time.Duration) policy.Due {
		t.Helper()
		switch due := c.AuditsDue(s, start.Add(after)); len(due) {
		case 0:
			return policy.Due{}
		case 1:
			return due[0]
		default:
			t.Fatalf("%d audits of one move at once", len(due))
			return policy.Due{}
		}
	}
	if d := dues(5*time.Minute - 1); d.Op != "" {
		t.Errorf("too soon: %+v", d)
	}
	first := dues(5 * time.Minute)
	if first.Op != "1" || first.Horizon != policy.Soon || first.Missed || !dues(11*time.Minute).Missed {
		t.Errorf("the first audit: %+v", first)
	}
	s = c.Audited(s, first)
	if d := dues(59 * time.Minute); d.Op != "" {
		t.Errorf("between the two: %+v", d)
	}
	second := dues(time.Hour)
	if second.Horizon != policy.Late || second.Missed {
		t.Errorf("the second audit: %+v", second)
	}
	if s = c.Audited(s, second); len(s.Expectations) > 0 {
		t.Errorf("after both: %+v", s.Expectations)
	}

	only := c
	only.AuditSoon = 0
	s = only.Expect(policy.State{}, start, "1", relief(), done)
	if due := only.AuditsDue(s, start.Add(time.Hour)); len(due) != 1 || due[0].Horizon != policy.Late {
		t.Errorf("without the first: %+v", due)
	}
	only = c
	only.AuditLate = 0
	if s = only.Audited(only.Expect(policy.State{}, start, "1", relief(), done), first); len(s.Expectations) > 0 {
		t.Errorf("without the second: %+v", s.Expectations)
	}
	s = c.Expect(c.Expect(policy.State{}, start, "1", relief(), done), start, "2", relief(), done)
	if len(s.Expectations) != 1 || s.Expectations[0].Op != "2" {
		t.Errorf("the domain has moved again: %+v", s.Expectations)
	}
	for i := range 100 {
		m := relief()
		m.Domain = policy.DomainID(rune('a' + i))
		s = c.Expect(s, start, policy.OpID(m.Domain), m, done)
	}
	if len(s.Expectations) != 64 || s.Expectations[63].Op != policy.OpID(rune('a'+99)) {
		t.Errorf("%d expectations are kept", len(s.Expectations))
	}
}

func TestEffectsReadBack(t *testing.T) {
	for _, e := range policy.Effects() {
		var back policy.Effect
		text, _ := json.Marshal(e)
		if err := json.Unmarshal(text, &back); err != nil || back != e {
			t.Errorf("%s reads back as %s, %v", e, back, err)
		}
	}
	e := policy.Worse
	if err := json.Unmarshal([]byte(`"splendid"`), &e); err != nil || e != policy.UnknownEffect {
		t.Errorf("what a newer version says reads as %s, %v", e, err)
	}
}
