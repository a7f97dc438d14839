package fake

import (
	"fmt"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// maxRecords bounds what an observer keeps of each kind; the oldest go first.
const maxRecords = 10_000

// observer watches a world and keeps what it sees.
type observer struct {
	violations, incidents []string
	migrations            []MigrationRecord

	wrong   map[*domain]int  // on how many hosts each runs that should not
	excused map[*domain]bool // a fault made it run twice or not at all
}

// MigrationRecord is one migration that has ended.
type MigrationRecord struct {
	Domain   string         `json:"domain"`
	From     string         `json:"from"`
	To       string         `json:"to,omitempty"`
	Foreign  bool           `json:"foreign,omitempty"` // started by a person
	Began    time.Time      `json:"began"`
	Ended    time.Time      `json:"ended"`
	Arrived  bool           `json:"arrived"`         // whatever was reported
	Split    bool           `json:"split,omitempty"` // and the source went on as well
	Reported policy.Outcome `json:"reported"`
}

// Violations says what must never happen and did without a fault that asks for
// it: a domain that ran on two hosts or on none, a host that was given more to
// run than it has memory for. Empty is good.
func (w *World) Violations() []string {
	w.lock()
	defer w.unlock()
	return slices.Clone(w.observer.violations)
}

// Incidents says what of the same kind happened because a fault or a person
// made it happen, and which domains were started; see also Boots.
func (w *World) Incidents() []string {
	w.lock()
	defer w.unlock()
	return slices.Clone(w.observer.incidents)
}

// Migrations lists the migrations that have ended, in order of their end.
func (w *World) Migrations() []MigrationRecord {
	w.lock()
	defer w.unlock()
	return slices.Clone(w.observer.migrations)
}

// Peak is how many migrations ran at most at once into and out of a host,
// foreign ones included.
func (w *World) Peak(host string) (in, out int) {
	w.lock()
	defer w.unlock()
	if h := w.hostByName[host]; h != nil {
		return h.inbound.most, h.outbound.most
	}
	return 0, 0
}

// Boots counts the starts of a domain.
func (w *World) Boots(domain string) int {
	w.lock()
	defer w.unlock()
	if d := w.domainByName[domain]; d != nil {
		return d.boots
	}
	return 0
}

// RunsOn lists the hosts on which a domain executes at this instant.
func (w *World) RunsOn(domain string) []string {
	w.lock()
	defer w.unlock()
	d := w.domainByName[domain]
	if d == nil {
		return nil
	}
	var names []string
	for _, i := range d.instances {
		if i.runs() {
			names = append(names, i.host.spec.Name)
		}
	}
	slices.Sort(names)
	return names
}

func newObserver() observer {
	return observer{wrong: make(map[*domain]int), excused: make(map[*domain]bool)}
}

// look compares the world with what must hold at every instant.
func (o *observer) look(w *World) {
	for _, h := range w.hosts {
		h.inbound.now, h.outbound.now = 0, 0
	}
	for _, m := range w.migrations {
		if m.phase != queued && m.phase != ended {
			m.src.outbound.set(m.src.outbound.now + 1)
			m.dst.inbound.set(m.dst.inbound.now + 1)
		}
	}
	for _, d := range w.domains {
		n, expected, still := d.running(), 1, w.inSwitchOver(d)
		if d.off || d.paused || still {
			expected = 0
		}
		last, wrong := o.wrong[d]
		switch {
		case n == expected && still && wrong:
			// Of one that was doubled both may stand still.
		case n == expected:
			delete(o.wrong, d)
			delete(o.excused, d)
		case !wrong || last != n:
			o.wrong[d] = n
			o.record(w, o.excused[d], "domain %s runs on %d hosts, expected %d", d.spec.Name, n, expected)
		}
	}
}

// excuse marks a domain that a fault is about to double or to stop.
func (o *observer) excuse(d *domain) { o.excused[d] = true }

func (o *observer) booted(w *World, d *domain, h *host, why string) {
	o.record(w, true, "domain %s was started on %s (boot %d): %s", d.spec.Name, h.spec.Name, d.boots, why)
}

// arriving looks at the memory of a target when a domain begins to arrive.
func (o *observer) arriving(w *World, m *migration) {
	if free := m.dst.memoryAvailable(); free < 0 {
		o.record(w, m.foreign, "host %s lacks %s of memory for domain %s", m.dst.spec.Name, -free, m.dom.spec.Name)
	}
}

// moved keeps the record of a migration that has ended.
func (o *observer) moved(w *World, m *migration) {
	r := MigrationRecord{
		From: m.src.spec.Name, Foreign: m.foreign,
		Began: w.at(m.began), Ended: w.at(w.now), Arrived: m.arrived, Split: m.split, Reported: m.outcome,
	}
	if m.dom != nil {
		r.Domain = m.dom.spec.Name
	}
	if m.dst != nil {
		r.To = m.dst.spec.Name
	}
	o.migrations = keep(o.migrations, r)
}

func (o *observer) record(w *World, excused bool, format string, args ...any) {
	text := w.at(w.now).UTC().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	if excused {
		o.incidents = keep(o.incidents, text)
	} else {
		o.violations = keep(o.violations, text)
	}
}

func keep[T any](all []T, one T) []T {
	if len(all) >= maxRecords {
		all = slices.Delete(all, 0, len(all)-maxRecords+1)
	}
	return append(all, one)
}
