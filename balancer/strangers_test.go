package balancer

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// cooling reports whether the core's policy would leave the domain alone.
func cooling(t *testing.T, c *Core, now time.Time, id policy.DomainID) bool {
	t.Helper()
	d, ok := c.View(now, Fleet{}).Domain(id)
	if !ok {
		t.Fatalf("no domain %s", id)
	}
	return !c.tuning.Policy.CooledDown(d.History, now)
}

func immigrant(id policy.DomainID) policy.DomainCounters {
	d := domainCounters(id)
	d.Immigrated = true
	return d
}

// What a person moves here stays for its cooldown, also over a restart of the
// daemon, and our next move takes the history along.
func TestWhatAPersonMovesIsLeftAlone(t *testing.T) {
	c, now := coreOn("host", 0.5, immigrant("old"))
	moved := now.Add(10 * time.Second)
	now = feed(c, now, 0.5, 3, immigrant("old"), immigrant("brought"), domainCounters("booted"))
	for id, want := range map[policy.DomainID]bool{
		"old":     false, // came before we looked
		"brought": true,
		"booted":  false,
	} {
		if got := cooling(t, c, now, id); got != want {
			t.Errorf("%s cools down: %v, want %v", id, got, want)
		}
	}
	if h := c.Leaving(now, "brought", policy.Overload); h.Count != 2 {
		t.Errorf("it leaves with %+v, want two moves", h)
	}

	data, err := json.Marshal(c.Memory())
	if err != nil {
		t.Fatal(err)
	}
	var m Memory
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	c = NewCore(c.facts, c.tuning, m)
	now = feed(c, now, 0.5, 2, immigrant("old"), immigrant("brought"))
	if !cooling(t, c, now, "brought") || cooling(t, c, now, "old") {
		t.Error("a restart forgets, or invents, an arrival")
	}
	now = feed(c, moved.Add(c.tuning.Policy.Cooldown), 0.5, 1, immigrant("brought"))
	if cooling(t, c, now, "brought") {
		t.Error("it cools down for ever")
	}
	feed(c, now, 0.5, 1)
	if n := len(c.Memory().Brought); n != 0 {
		t.Errorf("%d are remembered that have left", n)
	}
}

// While it is on its way it has not arrived, and a sample without domains says
// nothing.
func TestAPersonsMoveIsSeenFromItsEndOn(t *testing.T) {
	c, now := coreOn("host", 0.5)
	coming := domainCounters("brought")
	coming.State, coming.Job = policy.StatePaused, policy.MigratingIn
	now = feed(c, now, 0.5, 5, coming)
	c.Sampled(now, policy.Sample{At: now})
	if n := len(c.Memory().Brought); n != 0 {
		t.Errorf("%d have arrived too early", n)
	}
	end := now
	now = feed(c, now, 0.5, 2, immigrant("brought"))
	d, _ := c.View(now, Fleet{}).Domain("brought")
	if !d.History.Last.After(end) || d.History.Count != 1 {
		t.Errorf("history %+v, moved after %s", d.History, end)
	}
}

// Our own arrivals are not taken for a person's, whatever comes first: the
// sample, or the source's word that it has ended.
func TestOurOwnArrivalsAreNotStrangers(t *testing.T) {
	for name, told := range map[string]bool{"seen first": false, "told first": true} {
		t.Run(name, func(t *testing.T) {
			c, now := coreOn("target", 0.5)
			r := requestFor("op1", 1000, policy.GiB)
			if why := c.Admit(now, r); why != policy.OK {
				t.Fatal(why)
			}
			if told {
				a, ok := c.Ended(now, peer.FinishRequest{Op: "op1", Move: r.Move, Result: policy.Succeeded, Handoff: r.Handoff})
				if !ok {
					t.Fatal("the arrival is not taken note of")
				}
				c.Finished(a.Op)
				c.ledger = nil // even when the promise is forgotten
			}
			feed(c, now, 0.5, 3, immigrant(r.Move.Domain))
			if n := len(c.Memory().Brought); n != 0 {
				t.Errorf("%d were taken for strangers", n)
			}
		})
	}
}
