package metrics

import "github.com/prometheus/client_golang/prometheus"

// snapshot is a collector over figures that a subsystem keeps itself: it reads
// them when it is scraped, so nothing is counted twice.
type snapshot[S any] struct {
	read    func() S
	figures []figure[S]
}

// figure is one metric of a snapshot, with one value for each of its series.
type figure[S any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	// each calls yield with a value and as many label values as desc has labels.
	each func(s S, yield func(v float64, labels ...string))
}

// single is a figure with one series.
func single[S any](kind prometheus.ValueType, name, help string, value func(S) float64) figure[S] {
	return figure[S]{
		prometheus.NewDesc(name, help, nil, nil), kind,
		func(s S, yield func(float64, ...string)) { yield(value(s)) },
	}
}

// several is a figure with one series for each value of a label.
func several[S any](kind prometheus.ValueType, name, help, label string, values func(S) map[string]float64) figure[S] {
	return figure[S]{
		prometheus.NewDesc(name, help, []string{label}, nil), kind,
		func(s S, yield func(float64, ...string)) {
			for l, v := range values(s) {
				yield(v, l)
			}
		},
	}
}

// Describe implements prometheus.Collector.
func (c *snapshot[S]) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.figures {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *snapshot[S]) Collect(ch chan<- prometheus.Metric) {
	s := c.read()
	for _, f := range c.figures {
		f.each(s, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
		})
	}
}
