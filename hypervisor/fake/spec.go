package fake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Spec is what a world is made from.
type Spec struct {
	// Migration left zero is DefaultMigration.
	Migration Migration    `json:"migration"`
	Hosts     []HostSpec   `json:"hosts"`
	Domains   []DomainSpec `json:"domains,omitempty"`
	// Faults strike migrations; the first that matches is taken.
	Faults []Fault `json:"faults,omitempty"`
	// Timeline is what happens at set times, in any order.
	Timeline []Action `json:"timeline,omitempty"`
}

// Migration describes how migrations go in this world.
type Migration struct {
	// Setup passes between the call and the first byte.
	Setup Duration `json:"setup"`
	// MaxDowntime applies where a transfer does not say.
	MaxDowntime Duration `json:"max_downtime"`
	// SwitchOver is added to the time that the last pages take.
	SwitchOver Duration `json:"switch_over"`
	// Keepalive is after how much silence a connection is given up.
	Keepalive Duration `json:"keepalive"`
	// SourceCPU and TargetCPU are what a migration costs; they count as CPU
	// time of the domain, as the threads of QEMU do.
	SourceCPU policy.MilliCPU `json:"source_cpu_millis"`
	TargetCPU policy.MilliCPU `json:"target_cpu_millis"`
	// AutoConverge slows a guest down that dirties more than half of what is
	// sent, by 20 % and then 10 % more with each iteration, at most 99 % (the
	// defaults of QEMU).
	AutoConverge bool `json:"auto_converge"`
}

// DefaultMigration is close to QEMU and libvirt as they come, on hosts that
// spend half a CPU on sending.
func DefaultMigration() Migration {
	return Migration{
		Setup:       Duration(200 * time.Millisecond),
		MaxDowntime: Duration(300 * time.Millisecond),
		SwitchOver:  Duration(20 * time.Millisecond),
		Keepalive:   Duration(30 * time.Second),
		SourceCPU:   500, TargetCPU: 300,
	}
}

// HostSpec is one host.
type HostSpec struct {
	Name string `json:"name"`
	// CPU and Memory are the capacity; MemoryUsed is what is not domains'.
	CPU        policy.MilliCPU `json:"cpu_millis"`
	Memory     Size            `json:"memory"`
	MemoryUsed Size            `json:"memory_used,omitempty"`
	// Load is the CPU demand of everything that is not a domain.
	Load Profile `json:"load,omitzero"`
	// Link is the bandwidth for migrations each way, per second; zero is 1 GiB.
	Link Size `json:"link,omitempty"`
	// NoPressure leaves PSI out of its samples.
	NoPressure bool `json:"no_pressure,omitempty"`

	// CPUModel names the host's CPU; guests with host-passthrough move only
	// between equal ones. CPUModels are the guest models that run here.
	CPUModel  string   `json:"cpu_model,omitempty"`
	CPUModels []string `json:"cpu_models,omitempty"`
	Machines  []string `json:"machines,omitempty"`
	Networks  []string `json:"networks,omitempty"`
	Storage   []string `json:"storage,omitempty"`
	Labels    []string `json:"labels,omitempty"`

	LibvirtVersion    uint32 `json:"libvirt_version,omitempty"`
	HypervisorVersion uint32 `json:"hypervisor_version,omitempty"`
}

// DomainSpec is one domain, running on Host from the start unless Off.
type DomainSpec struct {
	Name  string `json:"name"`
	Host  string `json:"host"`
	VCPUs int    `json:"vcpus,omitempty"` // zero is 1
	// Demand is capped by the number of vCPUs.
	Demand Profile `json:"demand,omitzero"`

	// MemoryMax left zero is Memory.
	Memory    Size `json:"memory"`
	MemoryMax Size `json:"memory_max,omitempty"`
	// DirtyRate per second, within a working set; zero is all of the memory.
	DirtyRate  Size `json:"dirty_rate,omitempty"`
	WorkingSet Size `json:"working_set,omitempty"`

	Transient bool `json:"transient,omitempty"`
	Autostart bool `json:"autostart,omitempty"`
	Off       bool `json:"off,omitempty"`

	// Obstacle is what samples report as a reason not to move it.
	Obstacle policy.Reason `json:"obstacle,omitzero"`
	// Rules are in its metadata.
	policy.Rules
	History policy.MoveHistory `json:"history,omitzero"`

	// What a host must have to run it. CPU is a model, or "host-passthrough".
	CPU      string   `json:"cpu,omitempty"`
	Machine  string   `json:"machine,omitempty"`
	Networks []string `json:"networks,omitempty"`
	Storage  []string `json:"storage,omitempty"`
}

// Passthrough as DomainSpec.CPU gives the guest the host's own CPU.
const Passthrough = "host-passthrough"

// Parse reads a world from JSON. Unknown keys are errors.
func Parse(r io.Reader) (Spec, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxMessage))
	if err != nil {
		return Spec{}, fmt.Errorf("read world: %w", err)
	}
	s := Spec{Migration: DefaultMigration()}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Spec{}, fmt.Errorf("world: %w", err)
	}
	if d.More() {
		return Spec{}, errors.New("world: something follows the closing brace")
	}
	if err := s.Validate(); err != nil {
		return Spec{}, fmt.Errorf("world: %w", err)
	}
	return s, nil
}

// Validate returns every fault at once.
func (s Spec) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	hosts, domains := make(map[string]bool), make(map[string]bool)
	m := s.Migration
	for _, d := range []Duration{m.Setup, m.MaxDowntime, m.SwitchOver, m.Keepalive} {
		fault(d < 0 || d > maxTime, "migration: %s must be within 0s..%s", time.Duration(d), time.Duration(maxTime))
	}
	fault(!plausible(m.SourceCPU) || !plausible(m.TargetCPU), "migration: CPU costs must be within 0..%d", maxCPU)
	for i, h := range s.Hosts {
		fault(h.Name == "", "hosts[%d].name is missing", i)
		fault(hosts[h.Name], "hosts[%d].name (%q) is there twice", i, h.Name)
		fault(h.CPU == 0 || !plausible(h.CPU), "hosts[%d].cpu_millis (%d) must be within 1..%d", i, h.CPU, maxCPU)
		fault(h.Memory < MiB || h.Memory > maxSize, "hosts[%d].memory must be within 1MiB..1024GiB x 1024", i)
		fault(h.MemoryUsed < 0 || h.MemoryUsed > h.Memory, "hosts[%d].memory_used must be within 0..memory", i)
		fault(h.Link < 0 || h.Link > maxRate, "hosts[%d].link must be within 0B..1024GiB", i)
		if err := h.Load.validate(); err != nil {
			errs = append(errs, fmt.Errorf("hosts[%d].load: %w", i, err))
		}
		hosts[h.Name] = true
	}
	fault(len(s.Hosts) == 0, "hosts must name at least one host")
	for i, d := range s.Domains {
		fault(d.Name == "", "domains[%d].name is missing", i)
		fault(domains[d.Name], "domains[%d].name (%q) is there twice", i, d.Name)
		fault(!hosts[d.Host], "domains[%d].host (%q) is not among hosts", i, d.Host)
		fault(d.Memory < MiB || d.Memory > maxSize, "domains[%d].memory must be within 1MiB..1024GiB x 1024", i)
		fault(d.MemoryMax != 0 && d.MemoryMax < d.Memory || d.MemoryMax > maxSize, "domains[%d].memory_max must not be below memory", i)
		fault(d.VCPUs < 0 || d.VCPUs > maxVCPUs, "domains[%d].vcpus (%d) must be within 0..%d", i, d.VCPUs, maxVCPUs)
		fault(d.DirtyRate < 0 || d.DirtyRate > maxRate, "domains[%d].dirty_rate must be within 0B..1024GiB", i)
		fault(d.WorkingSet < 0, "domains[%d].working_set must not be negative", i)
		fault(d.Transient && d.Off, "domains[%d] cannot be both transient and off", i)
		if err := d.Demand.validate(); err != nil {
			errs = append(errs, fmt.Errorf("domains[%d].demand: %w", i, err))
		}
		if err := d.Rules.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("domains[%d]: %w", i, err))
		}
		domains[d.Name] = true
	}
	for i, f := range s.Faults {
		if err := f.validate(names(hosts), names(domains)); err != nil {
			errs = append(errs, fmt.Errorf("faults[%d]: %w", i, err))
		}
	}
	for i, a := range s.Timeline {
		if err := a.validate(names(hosts), names(domains)); err != nil {
			errs = append(errs, fmt.Errorf("timeline[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// What numbers may be, far beyond any machine, so that no product of two
// overflows.
const (
	maxVCPUs                 = 10_000
	maxCPU   policy.MilliCPU = 1000 * maxVCPUs
	maxSize  Size            = 1 << 50
	maxRate  Size            = 1 << 40
	maxTime  Duration        = Duration(10 * 365 * 24 * time.Hour)
)

func plausible(cpu policy.MilliCPU) bool { return cpu >= 0 && cpu <= maxCPU }

// known reports whether a name is one of the world's.
type known func(name string) bool

// names makes a map known.
func names[V any](m map[string]V) known {
	return func(name string) bool {
		_, ok := m[name]
		return ok
	}
}
