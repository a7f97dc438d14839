package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/policy"
)

// Fleet is the other hosts as this one sees them.
type Fleet struct {
	bands                *prometheus.GaugeVec
	fresh, stale         prometheus.Gauge
	oldest, mean, spread prometheus.Gauge
}

// NewFleet registers the metrics of the fleet.
func NewFleet(r prometheus.Registerer) *Fleet {
	m := maker{r}
	return &Fleet{
		bands:  m.gauges("virtbalance_fleet_hosts", "Other hosts that are members, by the band that they are in.", "band"),
		fresh:  m.gauge("virtbalance_fleet_fresh_hosts", "Other hosts whose state is young enough to be believed."),
		stale:  m.gauge("virtbalance_fleet_stale_hosts", "Other hosts whose state is too old to be believed."),
		oldest: m.gauge("virtbalance_fleet_oldest_state_timestamp_seconds", "When the oldest state of a member arrived; NaN without members."),
		mean:   m.gauge("virtbalance_fleet_cpu_utilization_mean_ratio", "Mean CPU utilization of the fresh hosts that know it; NaN without any."),
		spread: m.gauge("virtbalance_fleet_cpu_utilization_stddev_ratio", "Standard deviation of the CPU utilization of the fresh hosts that know it; NaN without any."),
	}
}

// Observe takes in the other hosts. A state is fresh for staleAfter.
func (f *Fleet) Observe(hosts []policy.Host, now time.Time, staleAfter time.Duration) {
	bands := make(map[policy.Band]int)
	var fresh, measured, sum, squares float64
	oldest := math.NaN()
	for _, h := range hosts {
		bands[h.Band]++
		if at := float64(h.Received.UnixNano()) / 1e9; math.IsNaN(oldest) || at < oldest {
			oldest = at
		}
		if now.Sub(h.Received) > staleAfter {
			continue
		}
		fresh++
		if u := float64(h.Utilization(policy.CPU)); !math.IsInf(u, 0) && !h.Flags.Has(policy.Blind) {
			measured++
			sum += u
			squares += u * u
		}
	}
	for _, b := range policy.Bands() {
		f.bands.WithLabelValues(b.String()).Set(float64(bands[b]))
	}
	f.fresh.Set(fresh)
	f.stale.Set(float64(len(hosts)) - fresh)
	f.oldest.Set(oldest)
	mean := sum / measured // 0/0 is NaN
	f.mean.Set(mean)
	f.spread.Set(math.Sqrt(max(0, squares/measured-mean*mean)))
}
