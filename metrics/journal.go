package metrics

import "github.com/prometheus/client_golang/prometheus"

// Journal is the journal on disk. Without it nothing is moved.
type Journal struct {
	writes, errors prometheus.Counter
	open           prometheus.Gauge
	writable       prometheus.Gauge
}

// NewJournal registers the metrics of the journal.
func NewJournal(r prometheus.Registerer) *Journal {
	m := maker{r}
	return &Journal{
		writes:   m.counter("virtbalanced_journal_writes_total", "Attempts to write to the journal, those to check that it can be written included."),
		errors:   m.counter("virtbalanced_journal_write_errors_total", "Attempts that failed."),
		open:     m.gauge("virtbalanced_journal_open_entries", "Operations in the journal that are not closed."),
		writable: m.gauge("virtbalanced_journal_writable", "1 if the last attempt succeeded."),
	}
}

// Written counts one attempt.
func (j *Journal) Written(err error) {
	j.writes.Inc()
	if err != nil {
		j.errors.Inc()
	}
	j.writable.Set(truth(err == nil))
}

// Open notes how many operations are not closed.
func (j *Journal) Open(n int) { j.open.Set(float64(n)) }
