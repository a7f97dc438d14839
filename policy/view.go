package policy

import (
	"fmt"
	"slices"
	"time"
)

// Mode is what the daemon does with its decisions.
type Mode uint8

// The modes. DryRunMode is the default: a balancer earns its trust first.
const (
	DryRunMode Mode = iota
	ApproveMode
	AutoMode
)

// String names the mode as the configuration does.
func (m Mode) String() string {
	switch m {
	case AutoMode:
		return "auto"
	case ApproveMode:
		return "approve"
	default:
		return "dry-run"
	}
}

// ParseMode is the inverse of Mode.String.
func ParseMode(s string) (Mode, error) {
	for _, m := range []Mode{DryRunMode, ApproveMode, AutoMode} {
		if s == m.String() {
			return m, nil
		}
	}
	return DryRunMode, fmt.Errorf("mode %q is not one of dry-run, approve, auto", s)
}

// MarshalText writes the name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a name.
func (m *Mode) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMode(string(b))
	return err
}

// Conditions are what the shell knows about its own fitness to act.
type Conditions struct {
	Mode              Mode `json:"mode"`
	Paused            bool `json:"paused,omitempty"`
	JournalUnwritable bool `json:"journal_unwritable,omitempty"`
	Frozen            bool `json:"frozen,omitempty"`
	// Closed: this is no time at which load-driven moves may begin; Opens is when
	// the next one begins, zero if that is not known.
	Closed bool      `json:"closed,omitempty"`
	Opens  time.Time `json:"opens,omitzero"`
	// Known counts the hosts heard from in the last day, this one included.
	Known int `json:"known_hosts"`
	// Fresh counts the hosts heard from within StaleAfter, this one included.
	// Zero has the policy count them: only who decides for thousands of hosts
	// on the same news, as the simulator does, need count once for all.
	Fresh int `json:"fresh_hosts,omitempty"`
	// Conflict: another host claims to be this one.
	Conflict bool `json:"conflict,omitempty"`
}

// View is everything that one decision may look at.
type View struct {
	Now  time.Time `json:"now"`
	Self HostID    `json:"self"`
	// Hosts include Self. Domains are those of Self.
	Hosts   []Host   `json:"hosts"`
	Domains []Domain `json:"domains"`
	// Ledger holds what this host has promised to others and what others have
	// promised to it.
	Ledger      Ledger      `json:"ledger,omitempty"`
	Utilization Utilization `json:"utilization"`
	Conditions  Conditions  `json:"conditions"`
}

// Host returns a host of the view.
func (v View) Host(id HostID) (Host, bool) {
	for i := range v.Hosts { // by index: a Host is large, a fleet of them larger
		if v.Hosts[i].ID == id {
			return v.Hosts[i], true
		}
	}
	return Host{}, false
}

// Domain returns a domain of the view.
func (v View) Domain(id DomainID) (Domain, bool) {
	for i := range v.Domains {
		if v.Domains[i].ID == id {
			return v.Domains[i], true
		}
	}
	return Domain{}, false
}

// Apply returns the view as it is predicted to be after the move. The receiver
// is not changed.
//
// The source loses what the domain uses. The target promises what it booked:
// the CPU use, and the memory that the guest may grow to.
func (v View) Apply(m Move) View {
	v.Hosts = slices.Clone(v.Hosts)
	for i, h := range v.Hosts {
		switch h.ID {
		case m.From:
			v.Hosts[i].Used = h.Used.Minus(m.Load)
			v.Hosts[i].Running--
		case m.To:
			v.Hosts[i].Promised = h.Promised.Plus(m.Booked())
			v.Hosts[i].Groups = h.Groups.With(m.Groups...)
			v.Hosts[i].Running++
		}
	}
	if v.Self == m.From {
		if self, ok := v.Host(v.Self); ok {
			v.Utilization = v.Utilization.without(m.Load, self.Capacity)
		}
		v.Domains = slices.DeleteFunc(slices.Clone(v.Domains), func(d Domain) bool { return d.ID == m.Domain })
	}
	return v
}

// counted returns a host of the view with the promises of the ledger counted:
// the host as it is, unless the ledger has more to say of it. So a decision
// copies no host but those few.
//
// Self promises what its ledger says. Another host has told of a promise it
// gave us once we heard from it later than it gave it; until then we add it.
func (v View) counted(h *Host) *Host {
	if h.ID == v.Self {
		self := *h
		self.Ahead = v.Utilization.Ahead
		self.Promised = v.Ledger.Promised(h.ID)
		// What libvirt shows and what was announced may be the same
		// migration; a promise that has not begun is neither.
		self.Inbound = max(h.Inbound, v.Ledger.count(h.ID, Migrating)) + v.Ledger.count(h.ID, Reserved)
		return &self
	}
	untold := func(r *Reservation) bool { return r.To == h.ID && !h.Received.After(r.Granted) }
	told := h
	for i := range v.Ledger {
		r := &v.Ledger[i]
		if !untold(r) {
			continue
		}
		if told == h {
			other := *h
			told = &other
		}
		told.Promised = told.Promised.Plus(r.Load)
		told.Groups = told.Groups.With(r.Groups...)
		if r.Phase != SettlingIn {
			told.Inbound++
		}
	}
	return told
}
