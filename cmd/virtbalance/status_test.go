package main

import (
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// How near the host is to being relieved is said while that is what it waits for.
func TestPrintStatusSaysHowLongItLasts(t *testing.T) {
	for hold, want := range map[policy.Reason]string{
		policy.Sustaining: "Starts nothing: " + policy.Sustaining.Text() + " (2 of the last 3 samples are; 4 must be).\n",
		policy.Settling:   "Starts nothing: " + policy.Settling.Text() + ".\n",
	} {
		var b strings.Builder
		printStatus(&b, api.Status{Over: []bool{true, false, true}, Needed: 4, Hold: hold, HoldText: hold.Text()}, nil)
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: got\n%s\nwant %q in it", hold, b.String(), want)
		}
	}
}
