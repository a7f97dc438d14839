package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/policy"
)

// Host is the load of this host and its place among the marks.
type Host struct {
	utilization, committed *prometheus.GaugeVec
	cpuUsed, cpuCapacity   prometheus.Gauge
	cpuPromised            prometheus.Gauge
	memUsed, memCapacity   prometheus.Gauge
	memPromised            prometheus.Gauge
	pressure               prometheus.Gauge
	band, mark, flag       *prometheus.GaugeVec
	domains                prometheus.Gauge
	migrations             *prometheus.GaugeVec
}

// NewHost registers the metrics of this host.
func NewHost(r prometheus.Registerer) *Host {
	m := maker{r}
	return &Host{
		utilization: m.gauges("virtbalance_host_utilization_ratio", "Smoothed use of the host as a share of its capacity.", "dimension"),
		committed:   m.gauges("virtbalance_host_committed_ratio", "Use and promises of the host as a share of its capacity.", "dimension"),
		cpuUsed:     m.gauge("virtbalance_host_used_cpus", "Smoothed use of CPU by everything on the host."),
		cpuCapacity: m.gauge("virtbalance_host_capacity_cpus", "What counts as all of the host's CPU."),
		cpuPromised: m.gauge("virtbalance_host_promised_cpus", "CPU promised to domains that have not arrived, or not shown their load yet."),
		memUsed:     m.gauge("virtbalance_host_used_memory_bytes", "Memory in use, caches that can be reclaimed not counted."),
		memCapacity: m.gauge("virtbalance_host_capacity_memory_bytes", "Memory of the host."),
		memPromised: m.gauge("virtbalance_host_promised_memory_bytes", "Memory promised to domains that have not arrived, or not shown their load yet."),
		pressure:    m.gauge("virtbalance_host_cpu_pressure_ratio", "Share of time in which something on the host waited for a CPU."),
		band:        m.gauges("virtbalance_host_band", "1 for the band that the host is in, 0 for the others.", "band"),
		mark:        m.gauges("virtbalance_host_mark_ratio", "The configured marks of CPU utilization.", "mark"),
		flag:        m.gauges("virtbalance_host_flag", "1 for what the host tells the others of itself.", "flag"),
		domains:     m.gauge("virtbalance_host_active_domains", "Domains that are active on the host."),
		migrations:  m.gauges("virtbalance_host_migrations", "Migrations that run now, whoever started them.", "direction"),
	}
}

// Observe takes in the host as it is after a sample. The load of a host that is
// blind (policy.Blind) is NaN.
func (h *Host) Observe(host policy.Host, marks policy.Marks) {
	known := func(v float64) float64 {
		if host.Flags.Has(policy.Blind) {
			return math.NaN()
		}
		return v
	}
	for _, d := range []policy.Dimension{policy.CPU, policy.Memory} {
		h.utilization.WithLabelValues(d.String()).Set(known(float64(host.Used.Share(d, host.Capacity))))
		h.committed.WithLabelValues(d.String()).Set(known(float64(host.Utilization(d))))
	}
	h.cpuUsed.Set(known(cpus(host.Used.CPU)))
	h.memUsed.Set(known(float64(host.Used.Memory)))
	h.pressure.Set(known(float64(host.Pressure)))
	h.cpuCapacity.Set(cpus(host.Capacity.CPU))
	h.memCapacity.Set(float64(host.Capacity.Memory))
	h.cpuPromised.Set(cpus(host.Promised.CPU))
	h.memPromised.Set(float64(host.Promised.Memory))
	h.domains.Set(float64(host.Running))
	h.migrations.WithLabelValues("inbound").Set(float64(host.Inbound))
	h.migrations.WithLabelValues("outbound").Set(float64(host.Outbound))

	for _, b := range policy.Bands() {
		h.band.WithLabelValues(b.String()).Set(truth(host.Band == b))
	}
	for name, mark := range map[string]policy.Fraction{
		"low": marks.Low, "receive": marks.Receive, "stop": marks.Stop, "high": marks.High, "critical": marks.Critical,
	} {
		h.mark.WithLabelValues(name).Set(float64(mark))
	}
	for name, flag := range map[string]policy.HostFlags{
		"cordoned": policy.Cordoned, "draining": policy.Draining, "paused": policy.Paused,
		"blind": policy.Blind, "frozen": policy.Frozen,
	} {
		h.flag.WithLabelValues(name).Set(truth(host.Flags.Has(flag)))
	}
}

func cpus(m policy.MilliCPU) float64 { return float64(m) / 1000 }
