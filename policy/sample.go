package policy

import "time"

// Sample is one reading of a host and its domains: counters, not rates. Two
// samples make a rate.
type Sample struct {
	// At is when the counters were read.
	At   time.Time
	Host HostCounters
	// Domains are the active domains, in any order.
	Domains []DomainCounters
	// DomainsKnown is false when libvirt did not answer: Domains then says
	// nothing about which domains exist.
	DomainsKnown bool
}

// HostCounters are the counters of a host at an instant.
type HostCounters struct {
	// Busy and Total are CPU time since boot, summed over the CPUs, both from
	// one read. Their differences make the utilization.
	Busy, Total time.Duration
	// MemoryTotal and MemoryAvailable are levels, of ordinary pages: what is set
	// aside as huge pages is in neither. Available counts what the kernel can
	// reclaim (caches, ZFS ARC above its minimum).
	MemoryTotal, MemoryAvailable Bytes
	// Stalled is PSI's "some" CPU total, PressureKnown whether there is one.
	Stalled       time.Duration
	PressureKnown bool
	// Known is false when the host could not be read at all.
	Known bool
}

// DomainCounters are the counters of one active domain at an instant.
type DomainCounters struct {
	ID    DomainID
	Name  string
	State DomainState
	VCPUs int

	// CPUTime is the CPU time of the whole domain, emulator threads included.
	CPUTime time.Duration
	// Wait is the run-queue wait summed over the vCPUs (libvirt's vcpu.N.delay).
	Wait time.Duration
	// StatsKnown is false when libvirt listed the domain but gave no counters.
	StatsKnown bool

	// Memory and MemoryMax are what the guest holds and may hold in ordinary
	// pages; HugePages what it has in huge ones, which are a pool of their own.
	Memory, MemoryMax, HugePages Bytes

	// Job is the migration that runs on the domain, whoever started it.
	Job Job
	// Immigrated: it came here by migration, and has run ever since.
	Immigrated bool
	// Obstacle is why libvirt or its configuration forbids moving the domain.
	Obstacle Reason
	// Rules are what the owner asks of the domain's placement. Pin and Ignore
	// are obstacles, too.
	Rules   Rules
	History MoveHistory
}

// Job is the part that a domain plays in a running migration.
type Job uint8

// The jobs of a domain.
const (
	NoJob Job = iota
	OtherJob
	MigratingOut
	MigratingIn
)

var jobNames = [...]string{NoJob: "none", OtherJob: "other", MigratingOut: "migrating out", MigratingIn: "migrating in"}

// String names the job.
func (j Job) String() string {
	if int(j) < len(jobNames) {
		return jobNames[j]
	}
	return jobNames[OtherJob]
}

// MarshalText writes the name.
func (j Job) MarshalText() ([]byte, error) { return []byte(j.String()), nil }

// UnmarshalText reads a name. A job that a newer version knows reads as
// OtherJob: something goes on that must not be disturbed.
func (j *Job) UnmarshalText(text []byte) error {
	*j = OtherJob
	for i, name := range jobNames {
		if name == string(text) {
			*j = Job(i)
		}
	}
	return nil
}
