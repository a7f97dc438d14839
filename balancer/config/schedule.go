package config

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for hosts that have no time zones installed

	"github.com/virtbalance/virtbalance/policy"
)

// Schedule says when load-driven moves may begin.
type Schedule struct {
	// Timezone is an IANA name, or "Local".
	Timezone string
	// Windows and Blackouts are written as policy.ParseWindow reads them.
	Windows, Blackouts []string
}

// Compile returns the schedule as the policy takes it; of a schedule that is not
// valid, an error that names key and value.
func (s Schedule) Compile() (policy.Windows, error) {
	var f faults
	w := s.compile(&f)
	if len(f) > 0 {
		return policy.Windows{}, f[0]
	}
	return w, nil
}

func (s Schedule) compile(f *faults) policy.Windows {
	var w policy.Windows
	var err error
	w.Zone, err = time.LoadLocation(s.Timezone)
	f.when(err != nil || s.Timezone == "" || strings.Contains(s.Timezone, " "),
		`schedule.timezone (%q) must be the name of a time zone, such as "Europe/Berlin", or "Local" or "UTC"`, s.Timezone)
	w.Open = windows(f, "schedule.windows", s.Windows)
	w.Blackouts = windows(f, "schedule.blackouts", s.Blackouts)
	for i, b := range w.Blackouts {
		f.when(b.HasMode(), "schedule.blackouts (%q) must not name a mode: nothing begins in a blackout", s.Blackouts[i])
	}
	return w
}

// windows reads the windows of one key. More than a calendar needs would cost
// each decision time.
func windows(f *faults, key string, list []string) []policy.Window {
	const most = 16
	f.when(len(list) > most, "%s (%d windows) must be at most %d", key, len(list), most)
	var all []policy.Window
	for _, s := range list[:min(len(list), most)] {
		w, err := policy.ParseWindow(s)
		if err != nil {
			*f = append(*f, fmt.Errorf("%s (%q) %w", key, s, err))
			continue
		}
		all = append(all, w)
	}
	return all
}
