package metrics

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/policy"
)

// Domains is the load of each domain on this host, labelled with its name.
// Leaving it out leaves out every label that grows with the number of domains.
type Domains struct {
	cpu, memory, memoryMax, wait *prometheus.Desc

	mu      sync.Mutex
	domains []policy.Domain
}

// NewDomains registers the collector.
func NewDomains(r prometheus.Registerer) *Domains {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"domain"}, nil)
	}
	d := &Domains{
		cpu:       desc("virtbalance_domain_used_cpus", "Smoothed use of CPU by the domain, its emulator included."),
		memory:    desc("virtbalance_domain_memory_bytes", "Memory that the guest holds now."),
		memoryMax: desc("virtbalance_domain_memory_limit_bytes", "Memory that the guest may grow to: what a target books."),
		wait:      desc("virtbalance_domain_cpu_wait_ratio", "Mean share of time in which a vCPU could run and had no CPU."),
	}
	r.MustRegister(d)
	return d
}

// Observe replaces what is known of the domains. Those that are gone leave no
// series behind.
func (d *Domains) Observe(domains []policy.Domain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.domains = slices.Clone(domains)
}

// Describe implements prometheus.Collector.
func (d *Domains) Describe(ch chan<- *prometheus.Desc) {
	ch <- d.cpu
	ch <- d.memory
	ch <- d.memoryMax
	ch <- d.wait
}

// Collect implements prometheus.Collector. A domain whose load is not known yet
// has no load.
func (d *Domains) Collect(ch chan<- prometheus.Metric) {
	d.mu.Lock()
	domains := d.domains // replaced as a whole, never changed
	d.mu.Unlock()

	// One name twice would make the client refuse the whole scrape. libvirt
	// allows that on one host for a moment at most, during a rename.
	seen := make(map[string]bool, len(domains))
	for _, dom := range domains {
		name := strings.ToValidUTF8(dom.Name, "?")
		if seen[name] {
			continue
		}
		seen[name] = true
		send := func(desc *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, name)
		}
		send(d.memoryMax, float64(dom.MemoryMax))
		if dom.Known {
			send(d.cpu, cpus(dom.Demand.CPU))
			send(d.memory, float64(dom.Demand.Memory))
			send(d.wait, float64(dom.Wait))
		}
	}
}
