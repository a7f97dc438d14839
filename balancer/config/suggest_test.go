package config

import "testing"

func TestClosest(t *testing.T) {
	d := Default()
	var names []string
	for _, k := range d.keys() {
		names = append(names, k.name)
	}
	for word, want := range map[string]string{
		"policy.hgih":           "policy.high",
		"policy.cool_down":      "policy.cooldown",
		"policy.cooldown-max":   "policy.cooldown_max",
		"polcy.cooldown":        "policy.cooldown",
		"loglevel":              "log_level",
		"interval":              "sampling.interval",
		"libvirt.autoconverge":  "libvirt.auto_converge",
		"gossip.keyfile":        "gossip.key_file",
		"policy.colour":         "",
		"":                      "",
		"x":                     "",
		"policy.wholly_unknown": "",
	} {
		if got, _ := closest(word, names); got != want {
			t.Errorf("closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"high", "high", 0}, {"hihg", "high", 1}, {"hig", "high", 1}, {"kitten", "sitting", 3}} {
		if got, back := distance(tt.a, tt.b), distance(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("distance(%q, %q) = %d, back %d, want %d", tt.a, tt.b, got, back, tt.want)
		}
	}
}
