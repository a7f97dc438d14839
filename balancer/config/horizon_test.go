package config

import (
	"strings"
	"testing"
	"time"
)

func TestHorizon(t *testing.T) {
	for _, tt := range []struct {
		toml string
		want time.Duration
	}{
		{``, 40 * time.Second},
		{"[sampling]\nhorizon = \"auto\"", 40 * time.Second},
		{"[sampling]\ninterval = \"1s\"", 2 * time.Second},
		{"[policy]\nstale_after = \"3m\"\n[sampling]\ninterval = \"1m\"", 80 * time.Second},
		{"[sampling]\nhorizon = \"0s\"", 0},
		{"[sampling]\nhorizon = \"90s\"", 90 * time.Second},
	} {
		c, err := Parse("c.toml", []byte(tt.toml))
		if err != nil || c.Horizon() != tt.want {
			t.Errorf("%q: %v, %v, want %v", tt.toml, c.Horizon(), err, tt.want)
		}
	}
	for _, bad := range []string{`"-1ns"`, `"-5s"`, `"2h"`, `"soon"`, `20`} {
		if _, err := Parse("c.toml", []byte("[sampling]\nhorizon = "+bad)); err == nil || !strings.Contains(err.Error(), "sampling.horizon") {
			t.Errorf("horizon = %s: %v", bad, err)
		}
	}
}
