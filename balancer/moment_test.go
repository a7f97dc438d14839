package balancer

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// A host is closed and opens when its windows say so, also after a reload, and
// when the clock has been set back.
func TestMoment(t *testing.T) {
	window, err := policy.ParseWindow("daily 22:00-06:00 auto")
	if err != nil {
		t.Fatal(err)
	}
	past, err := policy.ParseWindow("2020-01-01 00:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	night := policy.Windows{Open: []policy.Window{window}}
	tuning := Tuning{Policy: policy.DefaultConfig(), TimeConstant: time.Second, Windows: night}
	c := NewCore(policy.HostFacts{ID: "a"}, tuning, Memory{})
	at := func(clock string) time.Time {
		when, err := time.Parse("2006-01-02 15:04", "2026-11-23 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, step := range []struct {
		clock  string
		closed bool
		mode   policy.Mode
	}{
		{"05:59", false, policy.AutoMode},
		{"06:00", true, policy.DryRunMode},
		{"12:00", true, policy.DryRunMode},
		{"21:59", true, policy.DryRunMode},
		{"22:00", false, policy.AutoMode},
		{"12:00", true, policy.DryRunMode},
		{"05:00", false, policy.AutoMode},
	} {
		got := c.View(at(step.clock), Fleet{}).Conditions
		if got.Closed != step.closed || got.Mode != step.mode || got.Closed && !got.Opens.Equal(at("22:00")) {
			t.Errorf("at %s: %+v", step.clock, got)
		}
	}
	tuning.Windows = policy.Windows{Open: []policy.Window{past}}
	c.Retune(tuning)
	if got := c.View(at("23:00"), Fleet{}).Conditions; !got.Closed || !got.Opens.IsZero() {
		t.Errorf("with windows that are past: %+v", got)
	}
	tuning.Windows, tuning.Mode = policy.Windows{}, policy.ApproveMode
	c.Retune(tuning)
	if got := c.View(at("23:01"), Fleet{}).Conditions; got.Closed || got.Mode != policy.ApproveMode {
		t.Errorf("without windows: %+v", got)
	}
}
