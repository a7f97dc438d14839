// Package alerts tries what Prometheus is told with the real Prometheus and the
// real Alertmanager: alerts arrive at a webhook when a fleet is filled and
// resolve when it is freed, and every expression of rules and dashboard returns
// data.
//
// The rules are those that are shipped, but for one thing: each "for" is 2 s,
// and Prometheus looks every second.
package alerts
