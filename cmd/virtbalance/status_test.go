package main

import (
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// The target of a move that went wrong says so, too; its source may be down.
func TestPrintStatusTellsOfAlarms(t *testing.T) {
	s := api.Status{
		Hold: policy.FrozenHost, HoldText: policy.FrozenHost.Text(),
		Alarms: []api.Alarm{{Name: "vm1", From: "2c0f", FromName: "h1", Reason: policy.Duplicated}},
	}
	s.Host.Name = "h2"
	var b strings.Builder
	printStatus(&b, s, nil)
	if want := "A person must look at vm1, which h1 was to move to h2: the domain runs on both hosts.\n"; !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s\nwant %q in it", b.String(), want)
	}
}
