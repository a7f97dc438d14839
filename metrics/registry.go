package metrics

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry that exports the Go runtime and the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// BuildInfo is virtbalanced_build_info.
type BuildInfo struct{}

// NewBuildInfo exports the version as a label of a constant 1. Revision and Go
// version are those that the toolchain stamped.
func NewBuildInfo(r prometheus.Registerer, version string) *BuildInfo {
	var revision, modified string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = "-modified"
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "virtbalanced_build_info",
		Help: "Always 1; the labels tell how the daemon was built.",
		ConstLabels: prometheus.Labels{
			"version":   cmp.Or(version, "unknown"),
			"revision":  cmp.Or(revision, "unknown") + modified,
			"goversion": runtime.Version(),
		},
	})
	g.Set(1)
	r.MustRegister(g)
	return &BuildInfo{}
}
