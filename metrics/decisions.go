package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/policy"
)

// Decisions is what the policy decided, and why not something else.
type Decisions struct {
	decisions, verdicts *prometheus.CounterVec
	shadow              *prometheus.CounterVec
	hold, staying       *prometheus.GaugeVec
	planned             prometheus.Gauge
	last                prometheus.Gauge

	held    policy.Reason
	counted map[policy.Reason]int
}

// NewDecisions registers the metrics of deciding.
func NewDecisions(r prometheus.Registerer) *Decisions {
	m := maker{r}
	d := &Decisions{
		decisions: m.counters("virtbalance_decisions_total", "Decisions, by why nothing was begun; ok if a move was.", "hold"),
		verdicts: m.counters("virtbalance_verdicts_total",
			"Reasons for not moving a domain (scope domain) or not to a host (scope host), once for each decision.", "scope", "reason"),
		hold:    m.gauges("virtbalance_hold", "1 for why nothing is begun now; ok if something is.", "reason"),
		staying: m.gauges("virtbalance_domains_staying", "Domains of this host that stay, by why, in the last decision.", "reason"),
		planned: m.gauge("virtbalance_planned_moves", "Moves that the last decision proposes, whether or not they are made."),
		last:    m.gauge("virtbalance_last_decision_timestamp_seconds", "When the last decision was made."),
	}
	d.shadow = m.counters("virtbalance_shadow_decisions_total",
		"Decisions of the shadow policy (policy.shadow), by how they disagree with the policy in force; agreed if they do not.", "disagreement")
	for _, how := range policy.Disagreements() {
		d.shadow.WithLabelValues(string(how))
	}
	for _, reason := range Holds() {
		d.decisions.WithLabelValues(reason.String())
		d.hold.WithLabelValues(reason.String()).Set(0)
	}
	return d
}

// Holds returns the reasons that a decision can hold with, OK among them.
func Holds() []policy.Reason {
	holds := []policy.Reason{policy.OK, policy.NoFeasibleHost}
	for r := policy.NotOverloaded; r <= policy.NoDomains; r++ {
		holds = append(holds, r)
	}
	return holds
}

// Observe counts one decision. It is called from one goroutine.
func (d *Decisions) Observe(decision policy.Decision) {
	d.decisions.WithLabelValues(decision.Hold.String()).Inc()
	d.hold.WithLabelValues(d.held.String()).Set(0)
	d.held = decision.Hold
	d.hold.WithLabelValues(d.held.String()).Set(1)

	staying := make(map[policy.Reason]int)
	for _, v := range decision.Verdicts {
		scope := "host"
		if v.Host == "" {
			scope = "domain"
			staying[v.Reason]++
		}
		d.verdicts.WithLabelValues(scope, v.Reason.String()).Inc()
	}
	for reason := range d.counted {
		d.staying.WithLabelValues(reason.String()).Set(0)
	}
	for reason, n := range staying {
		d.staying.WithLabelValues(reason.String()).Set(float64(n))
	}
	d.counted = staying

	d.planned.Set(float64(len(decision.Plan)))
	d.last.Set(float64(decision.At.UnixNano()) / 1e9)
}

// Shadowed counts one decision of a shadow; none if how is empty.
func (d *Decisions) Shadowed(how policy.Disagreement) {
	if how != "" {
		d.shadow.WithLabelValues(string(how)).Inc()
	}
}
