package policy

import "fmt"

// Reason says why something is done or not done. Log attributes, metric labels
// and what the command line prints all come from this one list; the numbers
// never leave the process.
type Reason uint8

// The reasons. OK is the zero value: nothing stands in the way.
const (
	OK Reason = iota

	// Why a move is made.
	Overload
	Drain
	Manual
	Spread
	Consolidating
	RuleBroken
	Contention
	Swap

	// Why the host starts nothing now (gates).
	NotOverloaded
	NoContention
	Sustaining
	OutsideWindow
	DryRun
	NeedsApproval
	Superseded
	PausedByOperator
	NoSample
	StaleView
	Alone
	Minority
	Settling
	InFlight
	JournalUnwritable
	BreakerOpen
	FrozenHost
	NameConflict
	NoDomains

	// Why a domain stays.
	NotRunning
	NoStats
	Passthrough
	HasSnapshot
	JobActive
	Unconfirmed
	Transient
	PinnedDomain
	IgnoredDomain
	PersonsOnly
	GroupHere
	HighPriority
	ManagedElsewhere
	UnsafeStorage
	NotMigratable
	NotInspected
	CoolingDown
	TooSmall
	NoFeasibleHost
	NotNeeded

	// Why a host does not take a domain.
	SameHost
	HostStale
	HostCordoned
	HostBlind
	HostFrozen
	HostPaused
	HostOverReceive
	HostMemory
	HostInboundLimit
	HostBackoff
	HostQuarantined
	HostMakesRoom
	CameFromThere
	NoGain
	AlreadyThere
	CPUIncompatible
	VersionOlder
	MachineUnsupported
	StorageMissing
	NetworkMissing
	LabelMissing
	AffinityGroup
	AntiAffinityGroup
	HostRulesUnknown
	Unreachable
	PreflightFailed
	Unauthorized

	// How a move ended.
	Completed
	DeadlineExceeded
	Cancelled
	ConnectionLost
	LibvirtError
	SourceGone
	Interrupted
	NotLocated
	Duplicated
	PausedAtSource
	Lost

	// Why an audit could not tell what a move has brought, beside some of the
	// above.
	MovedOn

	// Unrecognized is what a label of a newer version reads as.
	Unrecognized

	reasonEnd
)

type reasonText struct{ label, text string }

var reasonTexts = [reasonEnd]reasonText{
	OK:            {"ok", "nothing stands in the way"},
	Overload:      {"overload", "the host has been above its high mark, or heading for it, for long enough"},
	Drain:         {"drain", "the host is being drained"},
	Manual:        {"manual", "an operator asked for it"},
	Consolidating: {"consolidate", "the host can be emptied"},
	Spread:        {"spread", "the move makes the load more even"},

	Contention: {"contention", "domains on the host have waited for a CPU for long enough"},
	Swap:       {"swap", "room is made for a domain that no host has room for as it is"},
	RuleBroken: {"rule_broken", "one of the domain's rules is broken here"},

	NotOverloaded:     {"not_overloaded", "the host is below its high mark"},
	NoContention:      {"no_contention", "no domain on the host waits for a CPU"},
	Sustaining:        {"sustaining", "above the high mark, or heading for it, but not yet for long enough"},
	OutsideWindow:     {"outside_window", "this is outside the time windows in which the host may begin moves"},
	DryRun:            {"dry_run", "the daemon is in dry-run mode"},
	Superseded:        {"superseded", "the move is not proposed any more: what it rested on has changed"},
	PausedByOperator:  {"paused", "an operator paused balancing"},
	NeedsApproval:     {"needs_approval", "the move is made only when a person agrees (virtbalance apply)"},
	NoSample:          {"no_sample", "there is no fresh sample of this host"},
	StaleView:         {"stale_view", "too few of the hosts have been heard from lately"},
	Alone:             {"alone", "no other host has been heard from"},
	Minority:          {"minority", "fewer than half of the known hosts are reachable"},
	Settling:          {"settling", "the last move has not shown its effect yet"},
	InFlight:          {"in_flight", "as many migrations are running as are allowed"},
	JournalUnwritable: {"journal_unwritable", "the journal cannot be written"},
	BreakerOpen:       {"breaker_open", "too many moves failed in a row"},
	NameConflict:      {"name_conflict", "another host claims to be this one"},
	FrozenHost:        {"frozen", "a domain was found on both hosts or on none; a person must look"},
	NoDomains:         {"no_domains", "the host runs no domain"},

	NotRunning:       {"not_running", "the domain is not running"},
	NoStats:          {"no_stats", "the domain has come or started just now, or libvirt gives no statistics for it"},
	Passthrough:      {"passthrough", "the domain holds a device of this host"},
	HasSnapshot:      {"has_snapshot", "the domain has snapshots"},
	JobActive:        {"job_active", "another job is active on the domain"},
	Unconfirmed:      {"unconfirmed", "the host that it came from has not said yet that it is gone there"},
	Transient:        {"transient", "transient domains are not moved by configuration"},
	PinnedDomain:     {"pinned", "the domain is pinned to this host"},
	PersonsOnly:      {"persons_only", "the domain moves only when a person moves it or drains its host"},
	GroupHere:        {"group_here", "the domain's affinity group runs here"},
	HighPriority:     {"high_priority", "the domain has the highest priority, and nobody here waits for a CPU"},
	IgnoredDomain:    {"ignored", "the domain is to be left alone"},
	ManagedElsewhere: {"managed_elsewhere", "another manager owns the domain"},
	UnsafeStorage:    {"unsafe_storage", "the domain's storage is not safe to migrate with"},
	NotMigratable:    {"not_migratable", "libvirt refuses to migrate the domain"},
	NotInspected:     {"not_inspected", "the domain's definition has not been read yet"},
	CoolingDown:      {"cooling_down", "the domain was moved a short while ago"},
	TooSmall:         {"too_small", "moving the domain would gain too little"},
	NoFeasibleHost:   {"no_feasible_host", "no host can take the domain"},
	NotNeeded:        {"not_needed", "another move serves better"},

	SameHost:           {"same_host", "the domain is already on this host"},
	HostStale:          {"host_stale", "the host has not been heard from lately"},
	HostCordoned:       {"host_cordoned", "the host takes no domains in"},
	HostBlind:          {"host_blind", "the host does not know its own load"},
	HostFrozen:         {"host_frozen", "the host is frozen until a person has looked"},
	HostPaused:         {"host_paused", "balancing is paused on the host"},
	HostOverReceive:    {"host_over_receive", "the host would pass its receive mark"},
	HostMemory:         {"host_memory", "the host lacks the memory"},
	HostInboundLimit:   {"host_inbound_limit", "the host takes in as many as it is allowed to"},
	HostBackoff:        {"host_backoff", "the host refused or failed this a short while ago"},
	HostQuarantined:    {"host_quarantined", "moves of several domains to the host have failed lately"},
	HostMakesRoom:      {"host_makes_room", "the host moves something smaller away first"},
	CameFromThere:      {"came_from_there", "the domain came from there a short while ago"},
	NoGain:             {"no_gain", "the move would not lower the higher of the two loads enough"},
	AlreadyThere:       {"already_there", "a domain with this UUID or name is already there"},
	CPUIncompatible:    {"cpu_incompatible", "the guest's CPU does not run there"},
	VersionOlder:       {"version_older", "QEMU or libvirt is older there"},
	MachineUnsupported: {"machine_unsupported", "the machine type is unknown there"},
	StorageMissing:     {"storage_missing", "a disk is not reachable there at the same path"},
	NetworkMissing:     {"network_missing", "a network or bridge does not exist there"},
	AffinityGroup:      {"affinity", "the domain's affinity group runs elsewhere"},
	AntiAffinityGroup:  {"anti_affinity", "a domain of its anti-affinity group runs there"},
	HostRulesUnknown:   {"host_rules_unknown", "the host has not read the rules of all its domains yet"},
	LabelMissing:       {"label_missing", "the host lacks a label that the domain requires"},
	Unreachable:        {"unreachable", "the host's daemon did not answer"},
	PreflightFailed:    {"preflight_failed", "the host could not check whether it can take the domain"},
	Unauthorized:       {"unauthorized", "the host did not accept who asked"},

	Completed:        {"completed", "the domain runs on the target and not here"},
	DeadlineExceeded: {"deadline_exceeded", "the migration took longer than its deadline"},
	Cancelled:        {"cancelled", "the migration was cancelled"},
	ConnectionLost:   {"connection_lost", "the connection broke during the migration"},
	LibvirtError:     {"libvirt_error", "libvirt reported an error"},
	SourceGone:       {"source_gone", "the domain ended before or during the migration"},
	Interrupted:      {"interrupted", "the daemon was restarted during the migration, which did not complete"},
	NotLocated:       {"not_located", "it is not known where the domain runs"},
	Duplicated:       {"duplicated", "the domain runs on both hosts"},
	PausedAtSource:   {"paused_at_source", "the domain was left paused on the source"},
	Lost:             {"lost", "the domain is on neither host"},

	MovedOn: {"moved_on", "the domain is not there any more, or has moved again since"},

	Unrecognized: {"unrecognized", "a reason that this version does not know"},
}

// String is the reason as a metric label, log attribute and JSON value.
func (r Reason) String() string {
	if r < reasonEnd {
		return reasonTexts[r].label
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Text is the reason as a clause for people, without a full stop.
func (r Reason) Text() string {
	if r < reasonEnd {
		return reasonTexts[r].text
	}
	return r.String()
}

// Reasons returns every reason, OK included, in the order of this file.
func Reasons() []Reason {
	all := make([]Reason, reasonEnd)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// ParseReason is the inverse of Reason.String.
func ParseReason(label string) (Reason, error) {
	for i, t := range reasonTexts {
		if t.label == label {
			return Reason(i), nil
		}
	}
	return OK, fmt.Errorf("unknown reason %q", label)
}

// MarshalText writes the label.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a label. A label that a newer version sent reads as
// Unrecognized, which is not OK and so permits nothing.
func (r *Reason) UnmarshalText(b []byte) error {
	v, err := ParseReason(string(b))
	if err != nil {
		v = Unrecognized
	}
	*r = v
	return nil
}
