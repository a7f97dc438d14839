package config

import (
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
)

func TestShadowDiffersInItsKeysOnly(t *testing.T) {
	c := Default()
	if shadow, err := c.ShadowPolicy(); shadow != nil || err != nil {
		t.Fatalf("without policy.shadow: %v, %v", shadow, err)
	}
	c.Shadow = []string{"high=85", " strategy = spread "}
	shadow, err := c.ShadowPolicy()
	if err != nil {
		t.Fatal(err)
	}
	want := c.Policy
	want.Marks.High, want.Strategy = 0.85, policy.SpreadStrategy
	if *shadow != want {
		t.Errorf("got %+v\nwant %+v", *shadow, want)
	}
	if c.Policy != Default().Policy {
		t.Error("the policy in force has changed")
	}
}

func TestFaultsOfTheShadow(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`["high"]`, `policy.shadow ("high") must be KEY=VALUE with a key of [policy], such as "high=75"`},
		{`["hihg=75"]`, `policy.shadow ("hihg=75"): unknown key policy.hihg; did you mean policy.high?`},
		{`["high=lots"]`, `policy.shadow ("high=lots"): policy.high `},
		{`["preset=aggressive"]`, `policy.shadow ("preset=aggressive") must not set preset`},
		{`["high=60"]`, `policy.high (60) must exceed policy.stop (75)`},
		{`"high=75"`, `policy.shadow `},
	} {
		_, err := Parse("c.toml", []byte("[policy]\nshadow = "+c.text+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.text, err, c.want)
		}
	}
}
