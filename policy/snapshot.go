package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Snapshot is a whole fleet at an instant: what a Planner works on, what a bug
// report contains. docs/policy.md describes its JSON.
type Snapshot struct {
	At    time.Time `json:"at"`
	Hosts []Host    `json:"hosts"`
	// Domains say which host they are on.
	Domains []PlacedDomain `json:"domains"`
	// Decided is what was decided on it; nil unless a daemon has recorded it.
	Decided *Decided `json:"decided,omitempty"`
}

// RecordSuffix is how the names of files end in which a daemon records snapshots,
// a line each.
const RecordSuffix = ".jsonl"

// Decided is the gist of a decision.
type Decided struct {
	Host HostID `json:"host"`
	Hold Reason `json:"hold"`
	// Domain and To are the first move of the plan; empty if there was none.
	Domain DomainID `json:"domain,omitempty"`
	To     HostID   `json:"to,omitempty"`
}

// DecidedOf is the gist of a decision.
func DecidedOf(d Decision) *Decided {
	gist := Decided{Host: d.Self, Hold: d.Hold}
	if len(d.Plan) > 0 {
		gist.Domain, gist.To = d.Plan[0].Domain, d.Plan[0].To
	}
	return &gist
}

// Decision is a decision of which only the gist is known.
func (d Decided) Decision() Decision {
	full := Decision{Self: d.Host, Hold: d.Hold}
	if d.Domain != "" {
		full.Plan = []Move{{Domain: d.Domain, To: d.To}}
	}
	return full
}

// PlacedDomain is a domain on its host.
type PlacedDomain struct {
	Domain
	Host HostID `json:"host"`
}

// Validate returns every fault at once.
func (s Snapshot) Validate() error {
	var errs []error
	hosts := map[HostID]bool{}
	for i, h := range s.Hosts {
		switch {
		case h.ID == "":
			errs = append(errs, fmt.Errorf("hosts[%d] has no id", i))
		case hosts[h.ID]:
			errs = append(errs, fmt.Errorf("host %s is there twice", h.ID))
		case h.Capacity.CPU <= 0 || h.Capacity.Memory <= 0:
			errs = append(errs, fmt.Errorf("host %s: capacity (%v, %v) must be positive", h.ID, h.Capacity.CPU, h.Capacity.Memory))
		}
		hosts[h.ID] = true
	}
	domains := map[DomainID]bool{}
	for i, d := range s.Domains {
		switch {
		case d.ID == "":
			errs = append(errs, fmt.Errorf("domains[%d] has no id", i))
		case domains[d.ID]:
			errs = append(errs, fmt.Errorf("domain %s is there twice", d.ID))
		case !hosts[d.Host]:
			errs = append(errs, fmt.Errorf("domain %s is on host %q, which is not there", d.ID, d.Host))
		case d.Demand.CPU < 0 || d.Demand.Memory < 0 || d.MemoryMax < 0:
			errs = append(errs, fmt.Errorf("domain %s: demand must not be negative", d.ID))
		}
		domains[d.ID] = true
	}
	return errors.Join(errs...)
}

// ReadSnapshot reads a snapshot's JSON. Unknown fields are faults: a misspelt
// one would be a fact that nobody looks at.
func ReadSnapshot(r io.Reader) (Snapshot, error) {
	var s Snapshot
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Snapshot{}, fmt.Errorf("read snapshot: %w", err)
	}
	if err := s.Validate(); err != nil {
		return Snapshot{}, fmt.Errorf("read snapshot: %w", err)
	}
	return s, nil
}

// Write writes the snapshot as ReadSnapshot reads it.
func (s Snapshot) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

// SnapshotOf is the part of the fleet that one view knows: all hosts, and the
// domains of one. Other hosts' load then counts as nobody's.
func SnapshotOf(v View) Snapshot {
	s := Snapshot{At: v.Now, Hosts: slices.Clone(v.Hosts)}
	for _, d := range v.Domains {
		s.Domains = append(s.Domains, PlacedDomain{Domain: d, Host: v.Self})
	}
	return s
}
