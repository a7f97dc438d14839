package policy_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

func windows(t interface{ Fatal(...any) }, zone string, open, blackouts []string) policy.Windows {
	w := policy.Windows{}
	var err error
	if w.Zone, err = time.LoadLocation(zone); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[*[]policy.Window][]string{&w.Open: open, &w.Blackouts: blackouts} {
		for _, s := range to {
			x, err := policy.ParseWindow(s)
			if err != nil {
				t.Fatal(s, err)
			}
			*from = append(*from, x)
		}
	}
	return w
}

// 2026-11-23 is a Monday. In Berlin clocks go from 02:00 to 03:00 on 2026-03-29
// and from 03:00 to 02:00 on 2026-10-25.
func TestWindows(t *testing.T) {
	const berlin, closed = "Europe/Berlin", "closed"
	night := []string{"mon-fri 22:00-06:00"}
	for _, c := range []struct {
		name            string
		zone            string
		open, blackouts []string
		at, want, opens string
	}{
		{"no windows", berlin, nil, nil, "2026-11-23T12:00:00+01:00", "approve", ""},
		{"before", berlin, night, nil, "2026-11-23T21:59:59+01:00", closed, "2026-11-23T22:00:00+01:00"},
		{"at the beginning", berlin, night, nil, "2026-11-23T22:00:00+01:00", "approve", ""},
		{"after midnight", berlin, night, nil, "2026-11-24T05:59:59+01:00", "approve", ""},
		{"at the end", berlin, night, nil, "2026-11-24T06:00:00+01:00", closed, "2026-11-24T22:00:00+01:00"},
		{"of Friday, on Saturday", berlin, night, nil, "2026-11-28T03:00:00+01:00", "approve", ""},
		{"none of Sunday, on Monday", berlin, night, nil, "2026-11-23T03:00:00+01:00", closed, "2026-11-23T22:00:00+01:00"},
		{"over the weekend", berlin, night, nil, "2026-11-28T07:00:00+01:00", closed, "2026-11-30T22:00:00+01:00"},
		{"another zone", "America/New_York", night, nil, "2026-11-24T04:00:00+01:00", "approve", ""},
		{"mode of its own", berlin, []string{"daily 01:00-05:00 auto", "daily 00:00-24:00 dry-run"}, nil, "2026-11-23T02:00:00+01:00", "auto", ""},
		{"the first counts", berlin, []string{"daily 01:00-05:00 auto", "daily 00:00-24:00 dry-run"}, nil, "2026-11-23T06:00:00+01:00", "dry-run", ""},
		{"off", berlin, []string{"sun 00:00-24:00 off", "daily 00:00-24:00"}, nil, "2026-11-22T12:00:00+01:00", closed, "2026-11-23T00:00:00+01:00"},
		{"week's end", berlin, []string{"fri-mon 08:00-09:00"}, nil, "2026-11-24T08:30:00+01:00", closed, "2026-11-27T08:00:00+01:00"},
		{"blackout", berlin, nil, []string{"2026-12-24..2027-01-02 00:00-24:00"}, "2026-12-31T23:30:00+01:00", closed, "2027-01-03T00:00:00+01:00"},
		{"after the blackout", berlin, nil, []string{"2026-12-24..2027-01-02 00:00-24:00"}, "2027-01-03T00:00:00+01:00", "approve", ""},
		{"blackout inside", berlin, night, []string{"tue 00:00-02:00"}, "2026-11-24T01:00:00+01:00", closed, "2026-11-24T02:00:00+01:00"},
		{"never again", berlin, []string{"2026-01-01 00:00-24:00"}, nil, "2026-11-24T01:00:00+01:00", closed, ""},
		{"the skipped hour", berlin, []string{"daily 01:00-04:00"}, nil, "2026-03-29T03:30:00+02:00", "approve", ""},
		{"after the skipped hour", berlin, []string{"daily 01:00-04:00"}, nil, "2026-03-29T04:00:00+02:00", closed, "2026-03-30T01:00:00+02:00"},
		{"the doubled hour", berlin, []string{"daily 01:00-04:00"}, nil, "2026-10-25T02:30:00+01:00", "approve", ""},
		{"before the doubled hour", berlin, []string{"daily 01:00-04:00"}, nil, "2026-10-25T00:30:00+02:00", closed, "2026-10-25T01:00:00+02:00"},
		{"summer and winter", berlin, []string{"sun 12:00-13:00"}, nil, "2026-10-24T12:00:00+02:00", closed, "2026-10-25T12:00:00+01:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			got := windows(t, c.zone, c.open, c.blackouts).At(at, policy.ApproveMode)
			mode, opens := closed, ""
			if got.Open {
				mode = got.Mode.String()
			}
			if !got.Opens.IsZero() {
				opens = got.Opens.Format(time.RFC3339)
			}
			if mode != c.want || opens != c.opens {
				t.Errorf("at %s: %s, opens %q; want %s, opens %q", c.at, mode, opens, c.want, c.opens)
			}
		})
	}
}

func TestParseWindowRefuses(t *testing.T) {
	for _, s := range []string{
		"", "mon", "22:00-06:00", "mon 22:00", "mon 25:00-06:00", "mon 24:00-06:00", "mon 06:00-06:00", "mon-xyz 01:00-02:00",
		"noday 01:00-02:00", "mon, 01:00-02:00", "mon 01:00-02:00 sometimes", "mon 01:00-02:00 auto now",
		"2027-01-02..2026-12-24 00:00-24:00", "2026-12-24.. 00:00-24:00", "2026-13-01 00:00-24:00",
	} {
		if w, err := policy.ParseWindow(s); err == nil {
			t.Errorf("%q reads as %+v", s, w)
		}
	}
}

// Whatever the windows: at the promised opening it is open, and at no instant
// before it.
func TestWindowsOpenWhenTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SampledFrom([]string{"daily", "mon-fri", "sat,sun", "sun", "2026-03-29", "2026-10-24..2026-10-26"})
		clock := rapid.SampledFrom([]string{"22:00-06:00", "02:00-03:00", "02:30-02:45", "00:00-24:00", "01:15-02:15"})
		draw := func(label string) []string {
			var all []string
			for range rapid.IntRange(0, 3).Draw(t, label) {
				all = append(all, days.Draw(t, "days")+" "+clock.Draw(t, "clock"))
			}
			return all
		}
		w := windows(t, rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"}).Draw(t, "zone"), draw("open"), draw("blackouts"))
		now := time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 220*24*60).Draw(t, "minute")) * time.Minute)
		m := w.At(now, policy.AutoMode)
		if m.Open || m.Opens.IsZero() {
			if m.Open && !m.Opens.IsZero() {
				t.Fatalf("open, and opens at %s", m.Opens)
			}
			return
		}
		if !w.At(m.Opens, policy.AutoMode).Open {
			t.Fatalf("at %s: opens at %s, and is closed then", now, m.Opens)
		}
		between := now.Add(time.Duration(rapid.Float64Range(0, 1).Draw(t, "between") * float64(m.Opens.Sub(now))))
		if between.Before(m.Opens) && w.At(between, policy.AutoMode).Open {
			t.Fatalf("at %s: opens at %s, and is open at %s already", now, m.Opens, between)
		}
	})
}

// Outside its windows a host shows what it would move, and when it may; what a
// person or a rule demands goes on.
func TestOutsideWindows(t *testing.T) {
	opens := start.Add(time.Hour)
	decide := func(change func(*policy.View)) policy.Decision {
		v := insteadView()
		v.Utilization.Recent, v.Utilization.Smoothed = 0.9, 0.9
		v.Conditions.Closed, v.Conditions.Opens = true, opens
		change(&v)
		c := policy.DefaultConfig()
		c.SamplesOver = 1
		d, _ := policy.Policy{Config: c}.Decide(v, policy.State{})
		if len(d.Plan) == 0 {
			t.Fatalf("no plan: %s", d.HoldText())
		}
		return d
	}
	d := decide(func(*policy.View) {})
	if want := "this is outside the time windows in which the host may begin moves; the next opens on " + opens.Format("Mon 2006-01-02 15:04 MST"); d.Hold != policy.OutsideWindow || !d.Opens.Equal(opens) || d.HoldText() != want {
		t.Errorf("overload: %s, opens %s, %q", d.Hold, d.Opens, d.HoldText())
	}
	if d := decide(func(v *policy.View) { v.Conditions.Opens = time.Time{} }); d.HoldText() != policy.OutsideWindow.Text() {
		t.Errorf("never to open: %q", d.HoldText())
	}
	if d := decide(func(v *policy.View) { v.Conditions.Paused = true }); d.Hold != policy.PausedByOperator {
		t.Errorf("paused: %s", d.Hold)
	}
	if d := decide(func(v *policy.View) { v.Hosts[0].Flags |= policy.Draining }); d.Hold != policy.OK || d.Plan[0].Why != policy.Drain {
		t.Errorf("drain: %s", d.Hold)
	}
	d = decide(func(v *policy.View) {
		v.Domains[1].Requires = []string{"ssd"}
		v.Hosts[1].Labels = []string{"ssd"}
	})
	if d.Hold != policy.OK || d.Plan[0].Why != policy.RuleBroken {
		t.Errorf("a broken rule: %s, %+v", d.Hold, d.Plan[0])
	}
}
