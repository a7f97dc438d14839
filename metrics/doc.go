// Package metrics is what Prometheus is told: one struct for each subsystem,
// each made by a function New... that takes the registry, and told what
// happened in the words of package policy. There are no package-level metrics,
// and the default registry of the client library is not used.
//
// Two prefixes, one rule: virtbalance_ is what balancing is about, the same
// whichever program measured it: load, bands, decisions, moves, promises, the
// fleet. virtbalanced_ is how one daemon is doing: its samples, its gossip, its
// connection to libvirt, its journal, its build.
//
// Units are Prometheus's base units: seconds, bytes, ratios of 1, and CPUs
// where a CPU is what there is one of. What was never measured, or not lately,
// is NaN, which no threshold matches; the alert for it is the age of the last
// sample. Times are exported, not ages: time() - x goes on growing when the
// daemon hangs.
//
// Labels are closed enums, with the series of the expected values there from
// the start, so that rate() sees the first event. The one exception is the name
// of a domain, on the gauges of [Domains] alone, which can be left out.
//
// Invariant: no counter and no histogram carries the name of a domain or a
// host.
//
// It is not the place to decide what is healthy: [Handler] is told.
package metrics
