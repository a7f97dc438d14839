package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/virtbalance/virtbalance/loadgen"
)

// metrics serves the last report to Prometheus.
type metrics struct {
	server *http.Server
	done   chan struct{}

	minimum, maximum      prometheus.Gauge
	usage, own, other     prometheus.Gauge
	steal, threads, duty  prometheus.Gauge
	inBand, settle, moves prometheus.Gauge
	obstacle              *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "loadgen", Name: name, Help: help})
		reg.MustRegister(g)
		return g
	}
	m := &metrics{
		minimum: gauge("target_min_ratio", "Lower edge of the band, as a share of the host."),
		maximum: gauge("target_max_ratio", "Upper edge of the band, as a share of the host."),
		usage:   gauge("cpu_usage_ratio", "CPU utilisation in the last report interval, as a share of the host."),
		own:     gauge("own_ratio", "CPU used by loadgen itself, as a share of the host."),
		other:   gauge("background_ratio", "CPU used by everything else, as a share of the host."),
		steal:   gauge("steal_ratio", "CPU taken by a hypervisor below, as a share of the host."),
		threads: gauge("threads", "Threads that make load."),
		duty:    gauge("thread_duty_ratio", "Share of time in which each thread burns."),
		inBand:  gauge("in_band_ratio", "Share of time in which the mean over one second was in the band, since it settled."),
		settle:  gauge("settle_seconds", "Time from the start until the band was entered to stay; NaN before."),
		moves:   gauge("thread_changes", "Changes of the number of threads since the band was entered to stay."),
		obstacle: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "loadgen", Name: "out_of_reach", Help: "1 for what keeps the band out of reach now.",
		}, []string{"cause"}),
	}
	reg.MustRegister(m.obstacle)
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "loadgen", Name: "build_info", Help: "Always 1; the label tells the version.",
		ConstLabels: prometheus.Labels{"version": versionText()},
	})
	info.Set(1)
	reg.MustRegister(info)
	m.settle.Set(math.NaN())
	for _, c := range causes {
		m.obstacle.WithLabelValues(string(c)).Set(0)
	}
	return m
}

// causes are the values of the label, so that every series exists from the
// start.
var causes = []loadgen.Cause{
	loadgen.CauseSensor, loadgen.CauseBackground, loadgen.CauseRoom, loadgen.CauseStarved, loadgen.CauseSteal,
}

// listenMetrics serves metrics on an address until close.
func listenMetrics(addr string, stderr io.Writer) (*metrics, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics-listen %s: %w", addr, err)
	}
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	m.done = make(chan struct{})
	go func() {
		defer close(m.done)
		if err := m.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(stderr, "loadgen: metrics are not served any more:", err)
		}
	}()
	return m, nil
}

func (m *metrics) close() {
	_ = m.server.Close()
	<-m.done
}

func (m *metrics) report(r loadgen.Report) {
	m.minimum.Set(r.Band.Min)
	m.maximum.Set(r.Band.Max)
	m.usage.Set(r.CPU)
	m.own.Set(r.Own)
	m.other.Set(r.Background)
	m.steal.Set(r.Steal)
	m.threads.Set(float64(r.Threads))
	m.duty.Set(r.Duty)
	m.inBand.Set(r.Summary.InBand)
	m.moves.Set(float64(r.Summary.ThreadChanges))
	if r.Summary.Settled {
		m.settle.Set(r.Summary.Settle.Seconds())
	}
	for _, c := range causes {
		now := 0.0
		if c == r.Obstacle.Cause {
			now = 1
		}
		m.obstacle.WithLabelValues(string(c)).Set(now)
	}
}

func (m *metrics) end(loadgen.Summary) {}
