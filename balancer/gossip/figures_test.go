package gossip_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// What the gossip promises, at 100 hosts; BenchmarkGossip prints the same for
// 3 to 300.
func TestFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fig := measure(t, 100, 20*time.Second)
		t.Logf("%d hosts: %.1f kB/s a host, %.2f %% of the digests delivered, age p50 %s p99 %s at an interval of %s",
			fig.hosts, fig.perHost/1000, 100*fig.delivered, fig.age50, fig.age99, fig.interval)
		if fig.perHost > 25_000 {
			t.Errorf("%.0f bytes/s a host, at most 25000 are allowed", fig.perHost)
		}
		if fig.delivered < 0.99 {
			t.Errorf("%.2f %% of the digests delivered, want 99", 100*fig.delivered)
		}
		if fig.age99 > 2*fig.interval {
			t.Errorf("1 %% of the states are older than %s, want two intervals of %s", fig.age99, fig.interval)
		}
	})
}
