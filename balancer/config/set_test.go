package config

import (
	"strings"
	"testing"
	"time"
)

func TestSet(t *testing.T) {
	c := Default()
	for _, s := range [][2]string{{"policy.high", "75"}, {"policy.cooldown", "5m"}, {"policy.detector", `"mad"`}, {"host.labels", `["a", "b"]`}} {
		if err := c.Set(s[0], s[1]); err != nil {
			t.Error(err)
		}
	}
	if c.Policy.Marks.High != 0.75 || c.Policy.Cooldown != 5*time.Minute || c.Policy.Detector.String() != "mad" || len(c.Host.Labels) != 2 {
		t.Errorf("%+v", c)
	}
	for _, s := range [][3]string{
		{"policy.hihg", "75", "did you mean policy.high?"},
		{"policy.high", "lots", `policy.high ("lots") must be a number of percent`},
		{"policy.high", "1\nlow = 2", "policy.high"},
	} {
		if err := c.Set(s[0], s[1]); err == nil || !strings.Contains(err.Error(), s[2]) {
			t.Errorf("%s = %s: %v, want %s", s[0], s[1], err, s[2])
		}
	}
}
