// Package alerts tries what Prometheus is told with the real Prometheus and the
// real Alertmanager: alerts arrive at a webhook when a fleet is filled and
// resolve when it is freed, and every expression of rules and dashboard returns
// data. The daemons balance simulated hosts or, with the tag lab, those of a lab,
// in whose network Prometheus and Alertmanager then run.
//
// The rules are those that are shipped, but for one thing: each "for" is 2 s,
// and Prometheus looks every second.
package alerts
