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
	room, survives       prometheus.Gauge
}

// NewFleet registers the metrics of the fleet.
func NewFleet(r prometheus.Registerer) *Fleet {
	m := maker{r}
	return &Fleet{
		bands:    m.gauges("virtbalance_fleet_hosts", "Other hosts that are members, by the band that they are in.", "band"),
		fresh:    m.gauge("virtbalance_fleet_fresh_hosts", "Other hosts whose state is young enough to be believed."),
		stale:    m.gauge("virtbalance_fleet_stale_hosts", "Other hosts whose state is too old to be believed."),
		oldest:   m.gauge("virtbalance_fleet_oldest_state_timestamp_seconds", "When the oldest state of a member arrived; NaN without members."),
		mean:     m.gauge("virtbalance_fleet_cpu_utilization_mean_ratio", "Mean CPU utilization of the fresh hosts that know it; NaN without any."),
		spread:   m.gauge("virtbalance_fleet_cpu_utilization_stddev_ratio", "Standard deviation of the CPU utilization of the fresh hosts that know it; NaN without any."),
		room:     m.gauge("virtbalance_fleet_room_domains", "How many more domains the fleet has room for, each as large as the one that was refused last or else as this host's median one; NaN where no size is known."),
		survives: m.gauge("virtbalance_fleet_survives_host_loss", "1 if what any one of the hosts has committed would fit on the others, in sum, up to their high marks and memory; else 0."),
	}
}

// Room takes in what the fleet could yet take in.
func (f *Fleet) Room(r policy.Headroom) {
	room := float64(r.Domains)
	if r.Size == (policy.Load{}) {
		room = math.NaN()
	}
	f.room.Set(room)
	f.survives.Set(truth(r.Survives))
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
