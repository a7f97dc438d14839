package metrics

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Condition says what stands in the way, each as a clause for people; nothing
// if all is well.
type Condition func() []string

// HandlerOptions make a Handler.
type HandlerOptions struct {
	Registry *prometheus.Registry
	// Healthy is false when only a restart would help. Ready is false when the
	// daemon runs and cannot do its work, for want of libvirt, say. Nil is
	// always well.
	Healthy, Ready Condition
	Log            *slog.Logger
}

// Handler serves /metrics, /healthz and /readyz. The last two answer 200 and
// "ok", or 503 and one reason a line.
func Handler(o HandlerOptions) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{
		ErrorLog: promLog{o.Log},
		// One collector that fails must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            o.Registry,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	}))
	mux.Handle("GET /healthz", o.Healthy)
	mux.Handle("GET /readyz", o.Ready)
	return mux
}

// ServeHTTP answers with the condition.
func (c Condition) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var reasons []string
	if c != nil {
		reasons = c()
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) == 0 {
		_, _ = io.WriteString(w, "ok\n")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, strings.Join(reasons, "\n")+"\n")
}

// promLog hands promhttp's messages to slog.
type promLog struct{ log *slog.Logger }

func (l promLog) Println(v ...any) {
	l.log.LogAttrs(context.Background(), slog.LevelWarn, "metrics not served in full",
		slog.String("err", strings.TrimSpace(fmt.Sprintln(v...))))
}
