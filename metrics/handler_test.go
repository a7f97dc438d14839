package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	registry := NewRegistry()
	NewBuildInfo(registry, "1.2.3")
	ready := []string{"libvirt is not reachable", "there is no fresh sample of this host"}
	h := Handler(HandlerOptions{Registry: registry, Ready: func() []string { return ready }})

	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get(http.MethodGet, "/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", code, body)
	}
	if code, body := get(http.MethodGet, "/readyz"); code != http.StatusServiceUnavailable || body != strings.Join(ready, "\n")+"\n" {
		t.Errorf("/readyz: %d %q", code, body)
	}
	ready = nil
	if code, body := get(http.MethodGet, "/readyz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/readyz when ready: %d %q", code, body)
	}
	code, body := get(http.MethodGet, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics: %d", code)
	}
	for _, want := range []string{`virtbalanced_build_info{goversion="go`, `version="1.2.3"`, "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if code, _ := get(http.MethodPost, "/metrics"); code != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: %d", code)
	}
	if code, _ := get(http.MethodGet, "/"); code != http.StatusNotFound {
		t.Errorf("/: %d", code)
	}
}
