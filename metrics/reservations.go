package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/policy"
)

// Reservations is this host as a target: what it promised and refused.
type Reservations struct {
	held    *prometheus.GaugeVec
	answers *prometheus.CounterVec
}

// NewReservations registers the metrics of promises.
func NewReservations(r prometheus.Registerer) *Reservations {
	m := maker{r}
	v := &Reservations{
		held:    m.gauges("virtbalance_reservations", "Promises that this host has given and that live, by phase.", "phase"),
		answers: m.counters("virtbalance_reserve_answers_total", "Answers of this host to requests for room, by reason; ok is yes.", "reason"),
	}
	v.answers.WithLabelValues(policy.OK.String())
	v.Observe(nil, "")
	return v
}

// Observe takes in the ledger of this host.
func (v *Reservations) Observe(l policy.Ledger, self policy.HostID) {
	counts := map[policy.Phase]int{policy.Reserved: 0, policy.Migrating: 0, policy.SettlingIn: 0}
	for _, r := range l {
		if r.To == self {
			counts[r.Phase]++
		}
	}
	for phase, n := range counts {
		v.held.WithLabelValues(phase.String()).Set(float64(n))
	}
}

// Answered counts one answer.
func (v *Reservations) Answered(why policy.Reason) { v.answers.WithLabelValues(why.String()).Inc() }
