package policy_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// attempt is one ended migration to host b, so long after the last.
type attempt struct {
	domain policy.DomainID
	after  time.Duration
	result policy.Result
	reason policy.Reason
}

func TestQuarantine(t *testing.T) {
	const minute = time.Minute
	failed := func(d policy.DomainID, after time.Duration) attempt {
		return attempt{d, after, policy.Failed, policy.LibvirtError}
	}
	for _, test := range []struct {
		name     string
		attempts []attempt
		want     time.Duration // of the quarantine, from the last attempt on
	}{
		{"one failure", []attempt{failed("x", 0)}, 0},
		{"of two domains", []attempt{failed("x", 0), failed("y", minute)}, 30 * minute},
		{"of one domain twice", []attempt{failed("x", 0), failed("x", minute)}, 0},
		{"nobody knows", []attempt{failed("x", 0), {"y", minute, policy.Unknown, policy.NotLocated}}, 30 * minute},
		{"a person cancelled", []attempt{failed("x", 0), {"y", minute, policy.Aborted, policy.Cancelled}}, 0},
		{"the guest went", []attempt{failed("x", 0), {"y", minute, policy.Failed, policy.SourceGone}}, 0},
		{"success between", []attempt{failed("x", 0), {"y", minute, policy.Succeeded, policy.Completed}, failed("z", minute)}, 0},
		{"far apart", []attempt{failed("x", 0), failed("y", 121*minute)}, 0},
		{"in the window", []attempt{failed("x", 0), failed("y", 119*minute)}, 30 * minute},
		{"again", []attempt{failed("x", 0), failed("y", minute), failed("y", 40*minute)}, 60 * minute},
		{"and again", []attempt{failed("x", 0), failed("y", minute), failed("y", 40*minute), failed("y", 170*minute)}, 120 * minute},
		{"forgiven", []attempt{failed("x", 0), failed("y", minute), failed("y", 151*minute)}, 0},
		{"at most", slices.Concat([]attempt{failed("x", 0)}, slices.Repeat([]attempt{failed("y", minute)}, 20)), 6 * time.Hour},
	} {
		c, s, now := policy.DefaultConfig(), policy.State{}, start
		for _, a := range test.attempts {
			now = now.Add(a.after)
			s = c.Finished(s, now, policy.Move{Domain: a.domain, From: "a", To: "b"}, policy.Outcome{Result: a.result, Reason: a.reason})
		}
		got := time.Duration(0)
		for _, q := range s.Quarantines {
			if q.Host != "b" {
				t.Errorf("%s: %+v", test.name, q)
			}
			got = max(got, q.Until.Sub(now))
		}
		if got != test.want {
			t.Errorf("%s: %v of quarantine, want %v", test.name, got, test.want)
		}
		c.QuarantineFailures = 0
		if s := c.Finished(s, now, policy.Move{Domain: "z", To: "b"}, policy.Outcome{Result: policy.Failed}); s.Quarantines != nil {
			t.Errorf("%s: turned off, it has %+v", test.name, s.Quarantines)
		}
	}
}

// TestRefusalsAreNoFailures: a target that says no is not sick.
func TestRefusalsAreNoFailures(t *testing.T) {
	c, s := policy.DefaultConfig(), policy.State{}
	for _, d := range []policy.DomainID{"x", "y", "z"} {
		s = c.Refused(s, start, policy.Move{Domain: d, From: "a", To: "b"}, policy.HostMemory)
	}
	if len(s.Quarantines) > 0 {
		t.Errorf("%+v", s.Quarantines)
	}
}

// TestQuarantineOnlyForbids: it takes targets away, and moves nothing that would
// have stayed.
func TestQuarantineOnlyForbids(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := eager(), anyView(t)
		c.Swaps = rapid.Bool().Draw(t, "swaps")
		c.Strategy = rapid.SampledFrom(policy.Strategies()).Draw(t, "strategy")
		var s policy.State
		quarantined := map[policy.HostID]bool{}
		for _, h := range v.Hosts[1:] {
			until := start.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "until")) * time.Minute)
			s.Quarantines = append(s.Quarantines, policy.Quarantine{Host: h.ID, Failures: 2, Until: until})
			quarantined[h.ID] = until.After(v.Now)
		}
		free, _ := decide(c, v, policy.State{})
		d, _ := decide(c, v, s)
		for _, m := range d.Plan {
			if quarantined[m.To] {
				t.Errorf("%+v goes to a host in quarantine", m)
			}
		}
		if len(free.Plan) == 0 && len(d.Plan) > 0 {
			t.Errorf("only with a quarantine: %+v", d.Plan)
		}
	})
}
