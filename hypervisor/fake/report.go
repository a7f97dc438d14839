package fake

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Report is a world at an instant, for people and for tests. Of what has
// happened it holds the newest hundred of each kind.
type Report struct {
	At         time.Time         `json:"at"`
	Hosts      []HostReport      `json:"hosts"`
	Migrations []MigrationRecord `json:"migrations,omitempty"`
	Violations []string          `json:"violations,omitempty"`
	Incidents  []string          `json:"incidents,omitempty"`
}

// HostReport is one host in a Report.
type HostReport struct {
	Name string `json:"name"`
	Off  bool   `json:"off,omitempty"`
	// Used is the CPU in use at this instant.
	Used            policy.MilliCPU `json:"used_millis"`
	Capacity        policy.MilliCPU `json:"capacity_millis"`
	MemoryAvailable policy.Bytes    `json:"memory_available_bytes"`
	Domains         []DomainReport  `json:"domains,omitempty"`
}

// DomainReport is one active domain in a Report.
type DomainReport struct {
	Name  string             `json:"name"`
	State policy.DomainState `json:"state"`
	Job   policy.Job         `json:"job,omitempty"`
	Used  policy.MilliCPU    `json:"used_millis"`
	Boots int                `json:"boots"`
}

// Report describes the world at this instant.
func (w *World) Report() Report {
	w.lock()
	defer w.unlock()
	r := Report{
		At:         w.at(w.now),
		Migrations: newest(w.observer.migrations),
		Violations: newest(w.observer.violations),
		Incidents:  newest(w.observer.incidents),
	}
	for _, h := range w.hosts {
		hr := HostReport{
			Name: h.spec.Name, Off: h.off, Used: h.busyRate, Capacity: h.spec.CPU,
			MemoryAvailable: h.memoryAvailable(),
		}
		for _, i := range h.instances {
			hr.Domains = append(hr.Domains, DomainReport{
				Name: i.dom.spec.Name, State: i.state, Job: i.job, Used: i.usedRate, Boots: i.dom.boots,
			})
		}
		slices.SortFunc(hr.Domains, func(a, b DomainReport) int { return strings.Compare(a.Name, b.Name) })
		r.Hosts = append(r.Hosts, hr)
	}
	return r
}

func newest[T any](all []T) []T {
	const most = 100
	return slices.Clone(all[max(0, len(all)-most):])
}

// String is the world as text, one line per host and one per domain.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.At.UTC().Format("2006-01-02 15:04:05.000"))
	for _, h := range r.Hosts {
		if h.Off {
			fmt.Fprintf(&b, "%-8s off\n", h.Name)
			continue
		}
		share := policy.Load{CPU: h.Used}.Share(policy.CPU, policy.Load{CPU: h.Capacity})
		fmt.Fprintf(&b, "%-8s %6s %s free\n", h.Name, share, h.MemoryAvailable)
		for _, d := range h.Domains {
			fmt.Fprintf(&b, "  %-12s %-8s %s%s\n", d.Name, d.State, d.Used, map[policy.Job]string{
				policy.MigratingOut: " migrating out", policy.MigratingIn: " migrating in",
			}[d.Job])
		}
	}
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "VIOLATION %s\n", v)
	}
	for _, i := range r.Incidents {
		fmt.Fprintf(&b, "incident %s\n", i)
	}
	return b.String()
}
