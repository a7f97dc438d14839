package metrics

import (
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/policy"
)

// Moves is what became of the moves out of this host.
type Moves struct {
	moves                         *prometheus.CounterVec
	predicted, duration, downtime prometheus.Histogram
	accuracy                      prometheus.Histogram
	transferred, repeated         prometheus.Counter
	last                          prometheus.Gauge
	audits                        *prometheus.CounterVec

	phases *prometheus.GaugeVec

	done, remaining, elapsed prometheus.Gauge
	dirty, bandwidth         prometheus.Gauge
	iteration                prometheus.Gauge

	mu   sync.Mutex
	open map[policy.OpID]string // phase
}

// NewMoves registers the metrics of moves.
func NewMoves(r prometheus.Registerer) *Moves {
	// Migrations take from a second (an idle guest of 1 GiB on a fast network)
	// to hours (terabytes); downtimes from milliseconds to what a guest's
	// watchdog no longer forgives.
	durations := []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200}
	downtimes := []float64{.005, .01, .025, .05, .1, .2, .3, .5, 1, 2, 5, 10, 30}
	ratios := []float64{.1, .25, .5, .75, .9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10}
	m := maker{r}
	v := &Moves{
		moves:       m.counters("virtbalance_moves_total", "Attempts to move a domain away from this host, by how they ended.", "result", "reason"),
		predicted:   m.histogram("virtbalance_move_predicted_duration_seconds", "Predicted duration of the migrations that were begun.", durations),
		duration:    m.histogram("virtbalance_move_duration_seconds", "Duration of the migrations that succeeded.", durations),
		accuracy:    m.histogram("virtbalance_move_duration_prediction_ratio", "Duration of the migrations that succeeded, divided by what was predicted.", ratios),
		downtime:    m.histogram("virtbalance_move_downtime_seconds", "How long guests stood still at the switch-over, where the hypervisor says so.", downtimes),
		transferred: m.counter("virtbalance_move_transferred_bytes_total", "Memory sent by migrations that have ended."),
		repeated:    m.counter("virtbalance_repeated_moves_total", "Moves that succeeded of domains that had been moved within the cooldown window before: many are ping-pong."),
		last:        m.gauge("virtbalance_last_move_timestamp_seconds", "When a move last succeeded; 0 if none did since the daemon started."),

		audits: m.counters("virtbalance_audits_total", "Audits of moves that were made for the load and succeeded, policy.audit_soon or policy.audit_late after their end, by what they found.", "after", "effect"),

		phases: m.gauges("virtbalance_open_operations", "Moves out of this host that are not closed, by phase; one that is unknown needs a person.", "phase"),

		done:      m.gauge("virtbalance_migration_progress_ratio", "Share of the memory that the running migration has sent; NaN if none runs."),
		remaining: m.gauge("virtbalance_migration_remaining_bytes", "Memory that the running migration has still to send."),
		elapsed:   m.gauge("virtbalance_migration_elapsed_seconds", "How long the running migration has taken so far."),
		dirty:     m.gauge("virtbalance_migration_dirty_bytes_per_second", "How fast the migrating guest writes memory, where the hypervisor says so."),
		bandwidth: m.gauge("virtbalance_migration_bandwidth_bytes_per_second", "What the running migration gets, where the hypervisor says so."),
		iteration: m.gauge("virtbalance_migration_iteration", "Pass over the guest's memory that the running migration is in."),
		open:      make(map[policy.OpID]string),
	}
	for result, reason := range map[policy.Result]policy.Reason{
		policy.Succeeded: policy.Completed,
		policy.Failed:    policy.LibvirtError,
		policy.Aborted:   policy.DeadlineExceeded,
		policy.Unknown:   policy.NotLocated,
	} {
		v.moves.WithLabelValues(result.String(), reason.String())
	}
	for _, h := range policy.Horizons() {
		for _, e := range policy.Effects() {
			v.audits.WithLabelValues(h.String(), e.String())
		}
	}
	for _, phase := range []string{"new", "intent", "reserved", "started", "unknown"} {
		v.phases.WithLabelValues(phase).Set(0)
	}
	v.idle()
	return v
}

// Phase notes the phase of an operation that is not closed.
func (v *Moves) Phase(op policy.OpID, phase string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.leave(op)
	v.open[op] = phase
	v.phases.WithLabelValues(phase).Inc()
}

// Begun counts a migration that starts.
func (v *Moves) Begun(m policy.Move) { v.predicted.Observe(m.Duration.Seconds()) }

// Ended counts an operation that is closed, whether or not its migration had
// begun.
func (v *Moves) Ended(op policy.OpID, m policy.Move, o policy.Outcome, now time.Time) {
	v.mu.Lock()
	v.leave(op)
	if len(v.open) == 0 {
		v.idle()
	}
	v.mu.Unlock()

	v.moves.WithLabelValues(o.Result.String(), o.Reason.String()).Inc()
	v.transferred.Add(float64(max(0, o.Transferred)))
	if o.Result != policy.Succeeded {
		return
	}
	v.last.Set(float64(now.UnixNano()) / 1e9)
	if o.Duration > 0 {
		v.duration.Observe(o.Duration.Seconds())
		if m.Duration > 0 {
			v.accuracy.Observe(o.Duration.Seconds() / m.Duration.Seconds())
		}
	}
	if o.Downtime > 0 {
		v.downtime.Observe(o.Downtime.Seconds())
	}
}

// Repeated counts a move that succeeded of a domain that had been moved within
// the cooldown window before.
func (v *Moves) Repeated() { v.repeated.Inc() }

// Audited counts what an audit has found.
func (v *Moves) Audited(h policy.Horizon, e policy.Effect) {
	v.audits.WithLabelValues(h.String(), e.String()).Inc()
}

// Progress shows a running migration; of several the one that spoke last.
func (v *Moves) Progress(p policy.Progress) {
	if p.Total > 0 {
		v.done.Set(float64(p.Processed) / float64(p.Total))
	}
	v.remaining.Set(float64(p.Remaining))
	v.elapsed.Set(p.Elapsed.Seconds())
	v.dirty.Set(float64(p.DirtyRate))
	v.bandwidth.Set(float64(p.Bandwidth))
	v.iteration.Set(float64(p.Iteration))
}

func (v *Moves) leave(op policy.OpID) {
	if phase, ok := v.open[op]; ok {
		v.phases.WithLabelValues(phase).Dec()
		delete(v.open, op)
	}
}

func (v *Moves) idle() {
	for _, g := range []prometheus.Gauge{v.done, v.remaining, v.elapsed, v.dirty, v.bandwidth, v.iteration} {
		g.Set(math.NaN())
	}
}
