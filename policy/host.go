package policy

import (
	"slices"
	"strings"
	"time"
)

// HostID identifies a hypervisor for good: the host UUID as libvirt reports
// it, in lower case. Names may change or be ambiguous; the ID may not.
type HostID string

// DomainID identifies a VM ("domain" is libvirt's word): its UUID in lower case.
type DomainID string

// HostFacts is what changes on a host only when it is reinstalled, rebooted or
// reconfigured.
type HostFacts struct {
	ID       HostID `json:"id"`
	Name     string `json:"name"`
	Capacity Load   `json:"capacity"`

	// CPUFingerprint is equal on two hosts exactly when model, microcode,
	// flags, kernel, QEMU and libvirt are: the condition under which a
	// host-passthrough guest may move.
	CPUFingerprint uint64 `json:"cpu_fingerprint,omitempty"`
	CPUModel       string `json:"cpu_model,omitempty"`

	// LibvirtVersion and HypervisorVersion are major*1e6 + minor*1e3 + micro.
	LibvirtVersion    uint32 `json:"libvirt_version,omitempty"`
	HypervisorVersion uint32 `json:"hypervisor_version,omitempty"`

	Labels []string `json:"labels,omitempty"`

	// Endpoint is how the host is reached; no decision looks at it.
	Endpoint Endpoint `json:"endpoint,omitzero"`
}

// Endpoint is how a host is reached.
type Endpoint struct {
	// Peer is host:port of its daemon's peer RPC.
	Peer string `json:"peer,omitempty"`
	// Migration is the name or address that goes into the migration URI.
	Migration string `json:"migration,omitempty"`
}

// MissingHost is a host that was there in the last day, and is not now.
type MissingHost struct {
	ID   HostID `json:"id"`
	Name string `json:"name,omitempty"`
	// LastSeen is when it was alive at the latest.
	LastSeen time.Time `json:"last_seen"`
}

// HostFlags are the yes-or-no facts that a host tells of itself.
type HostFlags uint16

// The flags of a host.
const (
	// Cordoned: takes no domain in; its own stay.
	Cordoned HostFlags = 1 << iota
	// Draining: takes none in and gives all that can move away.
	Draining
	// Paused: a person told the daemon to start nothing.
	Paused
	// Blind: the host's own load is not known (libvirt down, no sample).
	Blind
	// Frozen: a domain was found on both hosts or on none; nothing may move
	// to or from here until a person has looked.
	Frozen
	// Emptying: the host could give all its domains away and be left idle, and
	// does so if it is the first of those that say so.
	Emptying
)

// Has reports whether all of the flags in f are set.
func (s HostFlags) Has(f HostFlags) bool { return s&f == f }

// HostState is what a host measures and decides about itself: constant in
// size, small enough to gossip.
type HostState struct {
	// Used is the smoothed use of the whole host, its non-VM work included.
	// Memory is total minus available, so caches do not count as used.
	Used Load `json:"used"`
	// Ahead is the CPU share that the host forecasts for itself by the end of a
	// migration that begins now; zero where it does not tell.
	Ahead Fraction `json:"ahead,omitempty"`
	// Pressure is the share of time in which something on the host waited for
	// a CPU: PSI "some", or where PSI is absent the wait of the domain that
	// waits the most.
	Pressure Fraction `json:"pressure,omitempty"`
	// Promised is load granted to domains that have not arrived, or that have
	// arrived and are not yet part of Used.
	Promised Load `json:"promised"`
	// Reserved is kept for the host's own work, beyond what that uses already.
	Reserved Load `json:"reserved,omitzero"`
	// Inbound and Outbound count running migrations, whoever started them.
	Inbound  int `json:"inbound,omitempty"`
	Outbound int `json:"outbound,omitempty"`
	// Running counts active domains.
	Running int `json:"running,omitempty"`
	// Groups are those of which the host runs members, as far as they fit.
	Groups GroupSet `json:"groups,omitzero"`

	Band  Band      `json:"band"`
	Flags HostFlags `json:"flags,omitempty"`
}

// Host is one hypervisor as a decision sees it.
type Host struct {
	HostFacts
	HostState

	// Received is when this state arrived, by the receiver's clock: the
	// sender's clock is never trusted with an age.
	Received time.Time `json:"received"`
}

// Committed is the load that is already spoken for: used, or forecast to be if
// that is more, promised, and reserved.
func (h *Host) Committed() Load {
	used := h.Used
	used.CPU = max(used.CPU, h.Ahead.of(h.Capacity.CPU))
	return used.Plus(h.Promised).Plus(h.Reserved)
}

// Utilization is the committed share of the host in one dimension.
func (h *Host) Utilization(d Dimension) Fraction { return h.Committed().Share(d, h.Capacity) }

// DomainState is libvirt's state of a domain, as far as it matters here.
type DomainState uint8

// The states of a domain.
const (
	StateUnknown DomainState = iota
	StateRunning
	StatePaused
	StateShutoff
	StateCrashed
)

// String names the state as libvirt does.
func (s DomainState) String() string {
	switch s {
	case StateRunning:
		return "running"
	case StatePaused:
		return "paused"
	case StateShutoff:
		return "shut off"
	case StateCrashed:
		return "crashed"
	default:
		return "unknown"
	}
}

// MarshalText writes the name.
func (s DomainState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name; one that is not known reads as StateUnknown.
func (s *DomainState) UnmarshalText(text []byte) error {
	*s = StateUnknown
	for _, known := range []DomainState{StateRunning, StatePaused, StateShutoff, StateCrashed} {
		if known.String() == string(text) {
			*s = known
		}
	}
	return nil
}

// Domain is one VM on the deciding host.
type Domain struct {
	ID    DomainID `json:"id"`
	Name  string   `json:"name"`
	VCPUs int      `json:"vcpus"`

	// Demand is the smoothed CPU use with what the vCPUs waited for, and the
	// memory that the guest holds now.
	Demand Load `json:"demand"`
	// Trend is by how much the CPU demand is forecast to have changed by the
	// estimator's horizon; negative if it falls.
	Trend MilliCPU `json:"trend_millis,omitempty"`
	// MemoryMax is what the guest may grow to: what a target must have room
	// for.
	MemoryMax Bytes `json:"memory_max_bytes"`
	// HugePages is guest memory in huge pages. It takes nothing of the memory
	// that hosts tell of, but has to be copied; whether a target has such pages
	// free, the target says when it is asked.
	HugePages Bytes `json:"huge_pages_bytes,omitempty"`
	// Wait is the mean share of time in which a vCPU of the domain was
	// runnable and had no CPU: KVM's "CPU ready".
	Wait Fraction `json:"wait,omitempty"`

	// Obstacle is why the domain cannot be moved at all; OK when it can.
	Obstacle Reason `json:"obstacle,omitempty"`
	// Rules are what its owner asks of its placement.
	Rules
	// Known is false until the load of the domain has been observed twice.
	Known bool `json:"known"`

	// History travels with the domain from host to host.
	History MoveHistory `json:"history,omitzero"`
}

// MoveHistory is what a domain remembers of its moves, whoever made them.
type MoveHistory struct {
	// Last is the end of the most recent move; zero if there was none.
	Last time.Time `json:"last,omitzero"`
	// From is the host that the domain left in that move; empty if it left
	// because that was drained, or it is not known: then it may return.
	From HostID `json:"from,omitempty"`
	// Count is the number of moves whose cooldowns ran into one another.
	Count int `json:"count,omitempty"`
	// Unhelped is the number of audits of those moves which found that the move
	// had not helped. Each doubles the cooldown, as one more move would.
	Unhelped int `json:"unhelped,omitempty"`
}

// sortHosts orders hosts by ID, in place.
func sortHosts(hosts []Host) {
	slices.SortFunc(hosts, func(a, b Host) int { return strings.Compare(string(a.ID), string(b.ID)) })
}
