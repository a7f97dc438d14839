package main

import (
	"strings"
	"testing"
	"time"

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

func TestPrintMissing(t *testing.T) {
	now := time.Now()
	hosts := []policy.MissingHost{
		{ID: "id1", Name: "node1", LastSeen: now.Add(-40 * time.Second)},
		{ID: "id2", LastSeen: now.Add(-3 * time.Hour)},
		{ID: "id3", Name: "node3", LastSeen: now},
		{ID: "id4", Name: "node4", LastSeen: now},
	}
	for n, want := range map[int]string{
		0: "",
		2: "Missing: node1 (last seen 40 s ago), id2 (last seen 3 h ago).\n",
		4: "Missing: id2,node[1,3-4].\n",
	} {
		var b strings.Builder
		printMissing(&b, hosts[:n])
		if b.String() != want {
			t.Errorf("%d missing: %q, want %q", n, b.String(), want)
		}
	}
}
