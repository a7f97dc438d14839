package fake

import (
	"errors"
	"fmt"

	"github.com/virtbalance/virtbalance/policy"
)

// FaultKind is how a migration goes wrong.
type FaultKind string

// The kinds of faults. The first four strike when the share Fault.At of the
// memory has been sent, and the domain runs on at the source; the others strike
// at the switch-over.
const (
	// FaultFail ends the migration with an error.
	FaultFail FaultKind = "fail"
	// FaultHang stops its progress, for Fault.For or for ever. Abort works.
	FaultHang FaultKind = "hang"
	// FaultStuck is FaultHang with a hypervisor that ignores Abort.
	FaultStuck FaultKind = "stuck"
	// FaultLost breaks the connection between the two hypervisors; both clean
	// up.
	FaultLost FaultKind = "lost"

	// FaultUnconfirmed loses the outcome, though the domain arrived; the source
	// keeps a shut off definition of a persistent one.
	FaultUnconfirmed FaultKind = "unconfirmed"
	// FaultMisreport reports a failure, though the domain arrived.
	FaultMisreport FaultKind = "misreport"
	// FaultHusk loses the outcome and leaves a paused instance on the source,
	// though the domain arrived.
	FaultHusk FaultKind = "husk"
	// FaultLimbo loses the outcome, leaves the instance on the source paused,
	// and nothing at the target: the domain runs nowhere.
	FaultLimbo FaultKind = "limbo"
	// FaultSplit loses the target's answer: the domain runs there, and the
	// source, thinking it failed, runs it too.
	FaultSplit FaultKind = "split"
)

var faultKinds = map[FaultKind]bool{
	FaultFail: true, FaultHang: true, FaultStuck: true, FaultLost: true, FaultUnconfirmed: true,
	FaultMisreport: true, FaultHusk: true, FaultLimbo: true, FaultSplit: true,
}

// atSwitchOver reports whether the fault strikes when the guest moves.
func (k FaultKind) atSwitchOver() bool {
	switch k {
	case FaultFail, FaultHang, FaultStuck, FaultLost:
		return false
	default:
		return true
	}
}

// Fault strikes migrations of a domain, from a host, to a host; an empty name
// is any.
type Fault struct {
	Kind   FaultKind `json:"kind"`
	Domain string    `json:"domain,omitempty"`
	From   string    `json:"from,omitempty"`
	To     string    `json:"to,omitempty"`

	// At is the share of the memory that has been sent by then, 0..1.
	At policy.Fraction `json:"at,omitempty"`
	// For is how long a hang lasts; zero is for ever.
	For Duration `json:"for,omitempty"`
	// Times is how many migrations it strikes; zero is all.
	Times int `json:"times,omitempty"`
}

func (f Fault) validate(hosts, domains known) error {
	switch {
	case !faultKinds[f.Kind]:
		return fmt.Errorf("kind (%q) is unknown", f.Kind)
	case f.Domain != "" && !domains(f.Domain):
		return fmt.Errorf("domain (%q) is not among domains", f.Domain)
	case f.From != "" && !hosts(f.From):
		return fmt.Errorf("from (%q) is not among hosts", f.From)
	case f.To != "" && !hosts(f.To):
		return fmt.Errorf("to (%q) is not among hosts", f.To)
	case !(f.At >= 0 && f.At <= 1):
		return fmt.Errorf("at (%g) must be within 0..1", float64(f.At))
	case f.Times < 0 || f.For < 0 || f.For > maxTime:
		return errors.New("times and for must not be negative, and for at most ten years")
	}
	return nil
}

// takeFault returns the fault that will strike a migration, if any.
func (w *World) takeFault(d *domain, from, to *host) *Fault {
	matches := func(want, name string) bool { return want == "" || want == name }
	for i := range w.faults {
		f := &w.faults[i]
		if !matches(f.Domain, d.spec.Name) || !matches(f.From, from.spec.Name) || !matches(f.To, to.spec.Name) || f.Times < 0 {
			continue
		}
		taken := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				f.Times = -1 // used up
			}
		}
		return &taken
	}
	return nil
}
