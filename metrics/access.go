package metrics

import "github.com/prometheus/client_golang/prometheus"

// AccessFigures count what was turned away, by listener and cause.
type AccessFigures map[string]map[string]uint64

// Access is where people and programs look at the daemon: the socket of the API,
// the page, the metrics.
type Access struct{ snapshot[AccessFigures] }

// NewAccess registers the metrics of these listeners; read returns the figures
// of the moment.
func NewAccess(r prometheus.Registerer, read func() AccessFigures) *Access {
	refused := figure[AccessFigures]{
		prometheus.NewDesc("virtbalanced_access_refused_total",
			"Connections and requests that the socket, the page and the metrics listener turned away, by cause.", []string{"listener", "cause"}, nil),
		prometheus.CounterValue,
		func(f AccessFigures, yield func(float64, ...string)) {
			for listener, causes := range f {
				for cause, n := range causes {
					yield(float64(n), listener, cause)
				}
			}
		},
	}
	a := &Access{snapshot[AccessFigures]{read, []figure[AccessFigures]{refused}}}
	r.MustRegister(a)
	return a
}
