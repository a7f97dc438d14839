package config

import (
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestSchedule(t *testing.T) {
	c, err := Parse("f", []byte(`[schedule]
timezone = "Europe/Berlin"
windows = ["mon-fri 22:00-06:00 auto"]
blackouts = ["2026-12-24..2027-01-02 00:00-24:00"]`))
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Schedule.Compile()
	if err != nil {
		t.Fatal(err)
	}
	night := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	if m := w.At(night, policy.DryRunMode); !m.Open || m.Mode != policy.AutoMode {
		t.Errorf("in the window: %+v", m)
	}
	if m := w.At(night.AddDate(0, 1, 4), policy.DryRunMode); m.Open {
		t.Errorf("in the blackout: %+v", m)
	}
}

func TestScheduleRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`timezone = "Middle/Earth"`:                `schedule.timezone ("Middle/Earth") must be the name of a time zone`,
		`timezone = ""`:                            `schedule.timezone ("")`,
		`windows = ["monday 1-2"]`:                 `schedule.windows ("monday 1-2") has the days "monday"`,
		`windows = ["mon 22:00"]`:                  `schedule.windows ("mon 22:00") has the times "22:00"`,
		`windows = ["mon 22:00-23:00 gently"]`:     `the mode "gently", which must be one of dry-run, approve, auto, off`,
		`blackouts = ["sat,sun 00:00-24:00 auto"]`: `schedule.blackouts ("sat,sun 00:00-24:00 auto") must not name a mode`,
		`blackouts = "sun 00:00-24:00"`:            `schedule.blackouts ("sun 00:00-24:00") must be a list`,
		`window = []`:                              `did you mean schedule.windows?`,
	} {
		_, err := Parse("f", []byte("[schedule]\n"+text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
