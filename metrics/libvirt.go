package metrics

import "github.com/prometheus/client_golang/prometheus"

// LibvirtFigures are the condition of the connection to the hypervisor.
type LibvirtFigures struct {
	Connected bool
	// Reconnects counts the connections made after the first.
	Reconnects uint64
	// HungCalls are over their deadline now, OverdueCalls ever were.
	HungCalls    int
	OverdueCalls uint64
	// Followed counts the migrations out that the daemon follows.
	Followed int
}

// Libvirt is the connection to the hypervisor.
type Libvirt struct{ snapshot[LibvirtFigures] }

// NewLibvirt registers the metrics of the connection; read returns the figures
// of the moment.
func NewLibvirt(r prometheus.Registerer, read func() LibvirtFigures) *Libvirt {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	type f = LibvirtFigures
	l := &Libvirt{snapshot[f]{read, []figure[f]{
		single(gauge, "virtbalanced_libvirt_connected", "1 while the connection to libvirt is up.",
			func(f f) float64 { return truth(f.Connected) }),
		single(counter, "virtbalanced_libvirt_reconnects_total", "Connections to libvirt after the first.",
			func(f f) float64 { return float64(f.Reconnects) }),
		single(gauge, "virtbalanced_libvirt_hung_calls", "Calls that are over their deadline and have not returned; each holds a thread.",
			func(f f) float64 { return float64(f.HungCalls) }),
		single(counter, "virtbalanced_libvirt_overdue_calls_total", "Calls that went over their deadline.",
			func(f f) float64 { return float64(f.OverdueCalls) }),
		single(gauge, "virtbalanced_libvirt_followed_migrations", "Migrations out of this host that the daemon follows.",
			func(f f) float64 { return float64(f.Followed) }),
	}}}
	r.MustRegister(l)
	return l
}
