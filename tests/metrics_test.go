package tests

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/virtbalance/virtbalance/tests/stage"
)

// TestMetricsOfRunningDaemon: what a daemon in service exports follows
// Prometheus's rules, and is all there.
func TestMetricsOfRunningDaemon(t *testing.T) {
	dir := t.TempDir()
	binary, _, err := stage.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	daemons, err := stage.OnSim(dir, binary, stage.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range daemons {
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { <-d.Done() })
		t.Cleanup(func() { _ = d.Signal(15) })
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		s, err := daemons[0].Client.Status(t.Context())
		if err == nil && !s.Sampled.IsZero() && s.Fleet.Fresh == len(daemons) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the fleet does not come together: %+v, %v", s.Fleet, err)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		resp, err := http.Get("http://" + daemons[0].Metrics + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", path, resp.Status)
		}
	}
	resp, err := http.Get("http://" + daemons[0].Metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	problems, err := promlint.New(resp.Body).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
