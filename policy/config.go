package policy

import (
	"errors"
	"fmt"
	"time"
)

// Marks divide the utilization of a host's CPU.
//
//	0 ........ Low ........ Receive ........ Stop .... High .... Critical .... 1
//	   Low         Normal            Hold             High        Critical
//
// Between Receive and High lies the dead band: such a host neither gives nor
// takes. Relief that began above High goes on until the host is below Stop.
type Marks struct {
	Low      Fraction `json:"low"`
	Receive  Fraction `json:"receive"`
	Stop     Fraction `json:"stop"`
	High     Fraction `json:"high"`
	Critical Fraction `json:"critical"`
}

// Config holds the tunables of a Policy. Every duration is positive, every
// fraction within 0..1.
type Config struct {
	Marks Marks
	// MemoryReceive is the share of a host's memory up to which it takes
	// domains in. Higher packs more; lower leaves more for caches and growth.
	MemoryReceive Fraction
	// Reserve is the share of a host that is kept for its own work. Higher takes
	// fewer domains in.
	Reserve Reserve

	// A host is overloaded when SamplesOver of the last SamplesWindow samples
	// were above High. More samples ignore longer spikes and act later: with
	// one sample each 20 s, 4 of 6 hold for 80 s to 2 min.
	SamplesOver, SamplesWindow int

	// Detector sets the high and the stop mark from what the host used of late;
	// Static leaves them fixed. DetectorSafety is its parameter s, zero that of
	// the paper: higher starts relief earlier and moves more.
	Detector       Detector
	DetectorSafety float64

	// WaitHigh, if not zero, judges the host by contention and not by use: a
	// sample counts as over when a domain waited for a CPU for this share of the
	// time or more, and relief ends when none waits for half of it. Then a host
	// at 95 % where nobody waits is left alone, and one at 70 % where a domain
	// starves is not. VMware calls 5 % of "CPU ready" a vCPU worth a look, 10 %
	// a problem.
	WaitHigh Fraction

	// MinGain is by how much the target, after the move, must stay below where
	// the source was before it. Higher moves less and leaves hosts uneven;
	// lower lets a domain go to a host that soon wants to be rid of it.
	MinGain Fraction

	// A moved domain stays for max(Cooldown, duration of its migration)
	// x 2^(n-1), at most CooldownMax, where n counts its moves that are less
	// than CooldownWindow apart, and the audits which found that one of them had
	// not helped.
	Cooldown, CooldownMax, CooldownWindow time.Duration

	// A move that was made for the load and succeeded is audited after AuditSoon
	// and after AuditLate; zero leaves that audit out. Sooner audits before the
	// smoothed load has followed; later says more of whether the gain lasts and
	// less of what it comes from.
	AuditSoon, AuditLate time.Duration

	// For ReturnWindow after a move, a domain does not go back for the sake of
	// load to the host that it came from; to any other it may. Longer stops a
	// domain from being sent to and fro between two hosts whose load alternates;
	// shorter leaves more choice, which small fleets need. Zero: only the cooldown
	// counts.
	ReturnWindow time.Duration

	// After a move, source and target start nothing for Settle, so that its
	// effect is measured before the next decision.
	Settle time.Duration

	// MaxInbound and MaxOutbound limit the migrations that run at once into
	// and out of one host, foreign ones included.
	MaxInbound, MaxOutbound int

	// StaleAfter is the age at which a host's state is no longer believed.
	StaleAfter time.Duration
	// Quorum is the share of the known hosts that must be fresh before this
	// host starts anything.
	Quorum Fraction

	// A host that refused a domain is asked again after RefusedBackoff; a
	// failed move keeps domain and target apart for FailedBackoff x 2^(n-1), at
	// most CooldownMax.
	RefusedBackoff, FailedBackoff time.Duration
	// QuarantineFailures failed moves in a row to one target, of different
	// domains and no more than QuarantineWindow apart, keep everything from it
	// for QuarantineTime x 2^n, n counting the failures after that, at most
	// CooldownMax; zero failures never do. Fewer failures than the breaker's
	// leave the other targets in use. Longer windows also find targets that fail
	// now and then; shorter forgive sooner.
	QuarantineFailures               int
	QuarantineTime, QuarantineWindow time.Duration
	// BreakerFailures failed moves in a row stop balancing for BreakerReset;
	// zero failures never do.
	BreakerFailures int
	BreakerReset    time.Duration

	// Bandwidth is what a migration is expected to get, per second; it
	// predicts its duration.
	Bandwidth Bytes

	// Swaps lets a host that nobody has room for ask another to give something
	// smaller away first, or in exchange (see swap.go). Without it such a host
	// waits until room appears by itself.
	Swaps bool

	// Strategy is what the host does beyond relief, among the hosts that have the
	// label Group; among all if that is empty. Spare is how many empty hosts
	// ConsolidateStrategy counts on when one of the others is lost: fewer keeps
	// more hosts in use.
	Strategy Strategy
	Group    string
	Spare    int

	// MaxMoves bounds one plan. The daemon executes the head and looks again.
	MaxMoves int
}

// DefaultConfig returns the defaults. Their sources: marks and the predicted
// target check from oVirt's scheduling policy, cooldowns from the OpenShift
// descheduler, limits from nova and KubeVirt.
func DefaultConfig() Config {
	return Config{
		Marks:         Marks{Low: 0.20, Receive: 0.64, Stop: 0.75, High: 0.80, Critical: 0.95},
		MemoryReceive: 0.90,
		SamplesOver:   4, SamplesWindow: 6,
		MinGain:  0.05,
		Cooldown: 30 * time.Minute, CooldownMax: 6 * time.Hour, CooldownWindow: 24 * time.Hour,
		AuditSoon: 5 * time.Minute, AuditLate: time.Hour,
		Settle:     3 * time.Minute,
		MaxInbound: 1, MaxOutbound: 1,
		StaleAfter:     60 * time.Second,
		Quorum:         0.5,
		RefusedBackoff: 30 * time.Second, FailedBackoff: 10 * time.Minute,
		QuarantineFailures: 2, QuarantineTime: 30 * time.Minute, QuarantineWindow: 2 * time.Hour,
		BreakerFailures: 3, BreakerReset: 30 * time.Minute,
		Bandwidth: 100 * MiB,
		MaxMoves:  1,
		Spare:     1,
	}
}

// Validate returns every fault at once, each naming the key as configuration
// files spell it, the value and the broken relation.
func (c Config) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	m := c.Marks
	marks := []struct {
		key   string
		value Fraction
	}{{"low", m.Low}, {"receive", m.Receive}, {"stop", m.Stop}, {"high", m.High}, {"critical", m.Critical}}
	for i, mark := range marks {
		fault(!mark.value.Valid() || mark.value > 1, "policy.%s (%s) must be within 0..100", mark.key, percent(mark.value))
		if i > 0 {
			prev := marks[i-1]
			fault(mark.value <= prev.value, "policy.%s (%s) must exceed policy.%s (%s)",
				mark.key, percent(mark.value), prev.key, percent(prev.value))
		}
	}
	fault(!(c.MemoryReceive > 0 && c.MemoryReceive <= 1), "policy.memory_receive (%s) must be within 1..100", percent(c.MemoryReceive))
	fault(!(c.Reserve.CPU >= 0 && c.Reserve.CPU < 1), "policy.reserve_cpu (%s) must be within 0..99", percent(c.Reserve.CPU))
	fault(!(c.Reserve.Memory >= 0 && c.Reserve.Memory < 1), "policy.reserve_memory (%s) must be within 0..99", percent(c.Reserve.Memory))
	fault(c.SamplesWindow < 1, "policy.samples_window (%d) must be at least 1", c.SamplesWindow)
	fault(c.SamplesOver < 1 || c.SamplesOver > c.SamplesWindow,
		"policy.samples_over (%d) must be within 1..policy.samples_window (%d)", c.SamplesOver, c.SamplesWindow)
	fault(int(c.Detector) >= len(Detectors()), "policy.detector (%s) must be one of static, mad, iqr, lr", c.Detector)
	fault(!(c.DetectorSafety == 0 || c.DetectorSafety >= 0.5 && c.DetectorSafety <= 10),
		"policy.detector_safety (%g) must be 0, which is the detector's own, or within 0.5..10", c.DetectorSafety)
	fault(!(c.WaitHigh >= 0 && c.WaitHigh <= 1), "policy.wait_high (%s) must be within 0..100", percent(c.WaitHigh))
	fault(!(c.MinGain >= 0 && c.MinGain < 1), "policy.min_gain (%s) must be within 0..100", percent(c.MinGain))
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"cooldown", c.Cooldown},
		{"settle", c.Settle},
		{"stale_after", c.StaleAfter},
		{"refused_backoff", c.RefusedBackoff},
		{"failed_backoff", c.FailedBackoff},
		{"quarantine", c.QuarantineTime},
		{"quarantine_window", c.QuarantineWindow},
		{"breaker_reset", c.BreakerReset},
	} {
		fault(d.value <= 0, "policy.%s (%s) must be positive", d.key, d.value)
	}
	fault(c.CooldownMax < c.Cooldown, "policy.cooldown_max (%s) must not be below policy.cooldown (%s)", c.CooldownMax, c.Cooldown)
	fault(c.CooldownWindow < c.Cooldown, "policy.cooldown_window (%s) must not be below policy.cooldown (%s)", c.CooldownWindow, c.Cooldown)
	fault(c.ReturnWindow < 0, "policy.return_window (%s) must not be negative; 0 lets domains return", c.ReturnWindow)
	fault(c.AuditSoon < 0, "policy.audit_soon (%s) must not be negative; 0 leaves that audit out", c.AuditSoon)
	fault(c.AuditLate < 0 || c.AuditLate > 0 && c.AuditLate <= c.AuditSoon,
		"policy.audit_late (%s) must exceed policy.audit_soon (%s); 0 leaves that audit out", c.AuditLate, c.AuditSoon)
	fault(c.MaxInbound < 1, "policy.max_inbound (%d) must be at least 1; to take nothing in, cordon the host", c.MaxInbound)
	fault(c.MaxOutbound < 1, "policy.max_outbound (%d) must be at least 1; to move nothing, set mode = \"dry-run\"", c.MaxOutbound)
	fault(!(c.Quorum >= 0 && c.Quorum < 1), "policy.quorum (%s) must be within 0..99", percent(c.Quorum))
	fault(c.QuarantineFailures < 0, "policy.quarantine_failures (%d) must not be negative; 0 puts no host in quarantine", c.QuarantineFailures)
	fault(c.BreakerFailures < 0, "policy.breaker_failures (%d) must not be negative", c.BreakerFailures)
	fault(c.Bandwidth <= 0, "policy.bandwidth_mib (%d) must be positive", c.Bandwidth/MiB)
	fault(c.Spare < 0, "policy.spare (%d) must not be negative", c.Spare)
	fault(c.MaxMoves < 1, "policy.max_moves (%d) must be at least 1", c.MaxMoves)
	return errors.Join(errs...)
}

// percent formats a fraction as configuration files write it.
func percent(f Fraction) string { return fmt.Sprintf("%g", float64(f)*100) }
