package policy

import "time"

// OpID identifies one attempt to move one domain, on both hosts and in both
// journals.
type OpID string

// Move is one live migration that a decision proposes.
type Move struct {
	Domain DomainID `json:"domain"`
	Name   string   `json:"name"`
	From   HostID   `json:"from"`
	To     HostID   `json:"to"`
	Why    Reason   `json:"why"`

	// Load is what leaves From and reaches To; MemoryMax is what To books.
	Load      Load  `json:"load"`
	MemoryMax Bytes `json:"memory_max_bytes"`
	VCPUs     int   `json:"vcpus"`
	// Wait is the domain's before the move, which its audits compare with.
	Wait Fraction `json:"wait,omitempty"`
	// Trend is the domain's, as its source sees it.
	Trend MilliCPU `json:"trend_millis,omitempty"`
	// Back is set when no host has room for the domain as it is: To is asked to
	// give something smaller away, and From would take back this much.
	Back *Load `json:"back,omitempty"`

	// Requires and Groups are the domain's. Joins name those affinity groups of
	// which the source believes that they are on To.
	Requires []string     `json:"requires,omitempty"`
	Groups   []Membership `json:"groups,omitempty"`
	Joins    []string     `json:"joins,omitempty"`

	// Predicted utilization of the CPU before and after.
	FromBefore Fraction `json:"from_before"`
	FromAfter  Fraction `json:"from_after"`
	ToBefore   Fraction `json:"to_before"`
	ToAfter    Fraction `json:"to_after"`
	// Duration is the predicted duration of the migration.
	Duration time.Duration `json:"duration_ns"`
	// ForceLoad: a person wants the target filled above its receive mark.
	ForceLoad bool `json:"force_load,omitempty"`
}

// Gain is by how much the move lowers the higher of the two loads.
func (m Move) Gain() Fraction {
	return max(m.FromBefore, m.ToBefore) - max(m.FromAfter, m.ToAfter)
}

// Booked is what the target has to have room for: the CPU that the domain
// demands or is about to, and the memory that it may grow to.
func (m Move) Booked() Load { return booked(m.Load, m.Trend, m.MemoryMax) }

// booked is the same of a domain that is not in a move yet.
func (d *Domain) booked() Load { return booked(d.Demand, d.Trend, d.MemoryMax) }

func booked(demand Load, trend MilliCPU, most Bytes) Load {
	return Load{CPU: max(demand.CPU, demand.CPU+trend), Memory: max(demand.Memory, most)}
}

// Progress is how far a running migration has come.
type Progress struct {
	Elapsed                     time.Duration
	Total, Processed, Remaining Bytes
	// DirtyRate and Bandwidth are per second; zero where libvirt does not say.
	DirtyRate, Bandwidth Bytes
	Iteration            int
	PostCopy             bool
}

// Result is how an attempt ended.
type Result uint8

// The results of an attempt.
const (
	// Unknown: not (yet) established. Nothing may follow from it.
	Unknown Result = iota
	Succeeded
	Failed
	Aborted
)

// String names the result as metric labels do.
func (r Result) String() string {
	switch r {
	case Succeeded:
		return "succeeded"
	case Failed:
		return "failed"
	case Aborted:
		return "aborted"
	default:
		return "unknown"
	}
}

// MarshalText writes the name.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a name; one that is not known reads as Unknown.
func (r *Result) UnmarshalText(b []byte) error {
	*r = Unknown
	for _, v := range Results() {
		if v.String() == string(b) {
			*r = v
		}
	}
	return nil
}

// Results returns every result.
func Results() []Result { return []Result{Unknown, Succeeded, Failed, Aborted} }

// Outcome is what is known of an ended attempt.
type Outcome struct {
	Result Result `json:"result"`
	Reason Reason `json:"reason"`
	// Detail is libvirt's own message, for people.
	Detail string `json:"detail,omitempty"`
	// Duration is wall time; Downtime is how long the guest stood still, zero
	// where libvirt does not say.
	Duration    time.Duration `json:"duration_ns"`
	Downtime    time.Duration `json:"downtime_ns,omitempty"`
	Transferred Bytes         `json:"transferred_bytes,omitempty"`
}

// Presence is what one host's libvirt says about one domain.
type Presence struct {
	// Known is false when libvirt could not be asked: then nothing else here
	// means anything.
	Known bool `json:"known"`
	// Defined: the host has a persistent definition of the domain.
	Defined bool `json:"defined"`
	// Active: the host has a live instance of it, in State.
	Active bool        `json:"active"`
	State  DomainState `json:"state"`
	// Job is the migration that involves the instance.
	Job Job `json:"job"`
	// MigratedAway: shut off or paused because it was migrated to elsewhere.
	MigratedAway bool `json:"migrated_away"`
}

// Running reports that the domain executes on this host for certain.
func (p Presence) Running() bool {
	return p.Known && p.Active && p.State == StateRunning && p.Job != MigratingIn
}
