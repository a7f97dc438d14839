package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sampling is how the daemon measures.
type Sampling struct {
	duration prometheus.Histogram
	errors   prometheus.Counter
	last     prometheus.Gauge
}

// NewSampling registers the metrics of sampling.
func NewSampling(r prometheus.Registerer) *Sampling {
	m := maker{r}
	return &Sampling{
		duration: m.histogram("virtbalanced_sample_duration_seconds", "How long it took to read the counters of the host and all its domains.",
			[]float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20}),
		errors: m.counter("virtbalanced_sample_errors_total", "Samples of which a part could not be read."),
		last:   m.gauge("virtbalanced_last_sample_timestamp_seconds", "When the last complete sample was taken; 0 if none was."),
	}
}

// Observe counts one sample, which took its time until now.
func (s *Sampling) Observe(took time.Duration, err error, now time.Time) {
	s.duration.Observe(took.Seconds())
	if err != nil {
		s.errors.Inc()
		return
	}
	s.last.Set(float64(now.UnixNano()) / 1e9)
}
