// Package grafana holds a dashboard, Grafana-managed alert rules and the files
// that provision them. Its tests write the dashboard from a table of panels,
// and the alerts from Prometheus's, with -update. There is no code to import.
package grafana
