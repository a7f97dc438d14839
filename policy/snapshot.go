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
