package policy_test

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestUnits(t *testing.T) {
	for got, want := range map[string]string{
		policy.MilliCPU(1250).String():                 "1.25 CPU",
		(1536 * policy.MiB).String():                   "1.5 GiB",
		policy.Bytes(512).String():                     "512 B",
		policy.Fraction(0.815).String():                "81.5%",
		policy.CPU.String():                            "cpu",
		policy.Memory.String():                         "memory",
		policy.Dimension(7).String():                   "dimension(7)",
		(-2 * policy.KiB).String():                     "-2.0 KiB",
		policy.Fraction(math.Inf(1)).String():          "+Inf%",
		policy.Band(200).String():                      "band(200)",
		policy.BandHold.String():                       "hold",
		policy.Reason(250).String():                    "reason(250)",
		policy.Succeeded.String():                      "succeeded",
		policy.SettlingIn.String():                     "settling",
		policy.StateShutoff.String():                   "shut off",
		policy.ApproveMode.String():                    "approve",
		policy.DomainState(99).String():                "unknown",
		policy.Outcome{}.Result.String():               "unknown",
		policy.Reservation{}.Phase.String():            "reserved",
		policy.Conditions{}.Mode.String():              "dry-run",
		policy.Migrating.String():                      "migrating",
		policy.HostState{}.Band.String():               "unknown",
		policy.Fraction(0).String():                    "0.0%",
		policy.Load{}.Share(9, policy.Load{}).String(): "0.0%",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, test := range []struct {
		name           string
		load, capacity policy.Load
		d              policy.Dimension
		want           policy.Fraction
	}{
		{"half", policy.Load{CPU: 500}, policy.Load{CPU: 1000}, policy.CPU, 0.5},
		{"memory", policy.Load{Memory: 1}, policy.Load{CPU: 9, Memory: 4}, policy.Memory, 0.25},
		{"nothing on nothing", policy.Load{}, policy.Load{}, policy.CPU, 0},
		{"something on nothing", policy.Load{CPU: 1}, policy.Load{}, policy.CPU, policy.Fraction(math.Inf(1))},
	} {
		if got := test.load.Share(test.d, test.capacity); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if got := (policy.Load{CPU: 1, Memory: 5}).Minus(policy.Load{CPU: 2, Memory: 3}); got != (policy.Load{Memory: 2}) {
		t.Errorf("a load went below zero: %v", got)
	}
	if policy.Fraction(math.NaN()).Valid() || policy.Fraction(-0.1).Valid() || !policy.Fraction(1.5).Valid() {
		t.Error("Valid is wrong")
	}
}

func TestBands(t *testing.T) {
	m := policy.DefaultConfig().Marks
	for u, want := range map[policy.Fraction]policy.Band{
		0: policy.BandLow, 0.2: policy.BandNormal, 0.64: policy.BandHold, 0.8: policy.BandHigh,
		0.95: policy.BandCritical, 7: policy.BandCritical, policy.Fraction(math.NaN()): policy.BandUnknown,
	} {
		if got := m.Band(u); got != want {
			t.Errorf("%v is %v, want %v", u, got, want)
		}
	}
	for _, b := range policy.Bands() {
		text, _ := b.MarshalText()
		var back policy.Band
		if err := back.UnmarshalText(text); err != nil || back != b {
			t.Errorf("%v reads back as %v, %v", b, back, err)
		}
	}
}

func TestReasons(t *testing.T) {
	label := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := map[string]bool{}
	for _, r := range policy.Reasons() {
		if !label.MatchString(r.String()) || seen[r.String()] {
			t.Errorf("label %q of reason %d is empty, odd or taken", r, uint8(r))
		}
		seen[r.String()] = true
		if r.Text() == "" || strings.HasSuffix(r.Text(), ".") || strings.ToUpper(r.Text()[:1]) == r.Text()[:1] && !strings.HasPrefix(r.Text(), "QEMU") {
			t.Errorf("text %q of %v is not a clause", r.Text(), r)
		}
		var back policy.Reason
		text, _ := json.Marshal(r)
		if err := json.Unmarshal(text, &back); err != nil || back != r {
			t.Errorf("%v reads back as %v, %v", r, back, err)
		}
	}
	var r policy.Reason
	if err := r.UnmarshalText([]byte("invented_later")); err != nil || r != policy.Unrecognized {
		t.Errorf("a newer label reads as %v, %v", r, err)
	}
}

func TestModes(t *testing.T) {
	for _, m := range []policy.Mode{policy.DryRunMode, policy.ApproveMode, policy.AutoMode} {
		if back, err := policy.ParseMode(m.String()); err != nil || back != m {
			t.Errorf("%v reads back as %v, %v", m, back, err)
		}
	}
	if m, err := policy.ParseMode("Auto"); err == nil || m != policy.DryRunMode {
		t.Errorf("an unknown mode reads as %v, %v", m, err)
	}
}

func TestValidateNamesKeyValueAndRelation(t *testing.T) {
	if err := policy.DefaultConfig().Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for _, test := range []struct {
		name  string
		spoil func(*policy.Config)
		want  string
	}{
		{"marks out of order", func(c *policy.Config) { c.Marks.High = 0.6 }, "policy.high (60) must exceed policy.stop (75)"},
		{"mark above one", func(c *policy.Config) { c.Marks.Critical = 1.5 }, "policy.critical (150) must be within 0..100"},
		{"mark is no number", func(c *policy.Config) { c.Marks.Low = policy.Fraction(math.NaN()) }, "policy.low (NaN)"},
		{"memory", func(c *policy.Config) { c.MemoryReceive = 0 }, "policy.memory_receive (0)"},
		{"k above n", func(c *policy.Config) { c.SamplesOver = 9 }, "policy.samples_over (9) must be within 1..policy.samples_window (6)"},
		{"duration", func(c *policy.Config) { c.Settle = 0 }, "policy.settle (0s) must be positive"},
		{"cooldown", func(c *policy.Config) { c.CooldownMax = time.Minute }, "policy.cooldown_max (1m0s) must not be below policy.cooldown (30m0s)"},
		{"window", func(c *policy.Config) { c.CooldownWindow = time.Minute }, "policy.cooldown_window (1m0s)"},
		{"limits", func(c *policy.Config) { c.MaxInbound = 0 }, "policy.max_inbound (0)"},
		{"bandwidth", func(c *policy.Config) { c.Bandwidth = 0 }, "policy.bandwidth_mib (0)"},
		{"breaker", func(c *policy.Config) { c.BreakerFailures = -1 }, "policy.breaker_failures (-1)"},
		{"moves", func(c *policy.Config) { c.MaxMoves = 0 }, "policy.max_moves (0)"},
		{"quorum", func(c *policy.Config) { c.Quorum = 1 }, "policy.quorum (100)"},
		{"gain", func(c *policy.Config) { c.MinGain = -1 }, "policy.min_gain (-100)"},
	} {
		c := policy.DefaultConfig()
		test.spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	var nothing policy.Config
	if err := nothing.Validate(); err == nil || strings.Count(err.Error(), "\n") < 10 {
		t.Errorf("not every fault at once: %v", err)
	}
}

func TestCooldownDoubles(t *testing.T) {
	c := policy.DefaultConfig()
	var h policy.MoveHistory
	now := start
	if !c.CooledDown(h, now) {
		t.Error("a domain that never moved is cooling down")
	}
	for i, want := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour} {
		h = c.Arrived(h, now, "a")
		if c.CooledDown(h, now.Add(want-time.Second)) || !c.CooledDown(h, now.Add(want)) {
			t.Errorf("after move %d the cooldown is not %v", i+1, want)
		}
		now = now.Add(want)
	}
	if got := c.Arrived(h, now.Add(25*time.Hour), "b"); got.Count != 1 || got.From != "b" {
		t.Errorf("a day later the count goes on: %+v", got)
	}
	ahead := policy.MoveHistory{Last: now.Add(time.Hour), Count: 1}
	if c.CooledDown(ahead, now) {
		t.Error("a history from a clock that is ahead counts as cooled down")
	}
}

func TestLedger(t *testing.T) {
	var l policy.Ledger
	for i, op := range []policy.OpID{"c", "a", "b"} {
		l = l.With(policy.Reservation{Op: op, To: "h", Load: policy.Load{CPU: 10}, Phase: policy.Phase(i), Expires: start.Add(time.Duration(i) * time.Minute)})
	}
	if l[0].Op != "a" || l[1].Op != "b" || l[2].Op != "c" {
		t.Errorf("not in order: %v", l)
	}
	if got := l.Promised("h"); got.CPU != 30 {
		t.Errorf("promised %v", got)
	}
	if got := l.Inbound("h"); got != 2 {
		t.Errorf("%d inbound, want those reserved and migrating", got)
	}
	if l.Inbound("other") != 0 || l.Promised("other") != (policy.Load{}) {
		t.Error("the promises of another host are counted")
	}
	replaced := l.With(policy.Reservation{Op: "a", To: "h", Load: policy.Load{CPU: 1}})
	if len(replaced) != 3 || replaced.Promised("h").CPU != 21 || l.Promised("h").CPU != 30 {
		t.Errorf("With is not a replacement in a copy: %v and %v", replaced, l)
	}
	if got := l.Without("b"); len(got) != 2 || len(l) != 3 {
		t.Errorf("Without: %v", got)
	}
	if got := l.Without("z"); len(got) != 3 {
		t.Errorf("Without an unknown operation: %v", got)
	}
	if got := l.Unexpired(start.Add(time.Minute)); len(got) != 1 || got[0].Op != "b" {
		t.Errorf("left after a minute: %v", got)
	}
	if r, ok := l.Find("c"); !ok || r.Phase != policy.Reserved {
		t.Errorf("Find: %v, %v", r, ok)
	}
	if _, ok := l.Find("z"); ok {
		t.Error("found what is not there")
	}
}
