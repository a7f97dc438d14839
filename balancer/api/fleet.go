package api

import (
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Report is what one host tells of itself, for people: what gossip is too small
// for.
type Report struct {
	Status
	// Domains are those of the host, the one that uses most CPU first.
	Domains []Domain `json:"domains"`
	// DomainsLeftOut counts those that the report had no room for.
	DomainsLeftOut int `json:"domains_left_out,omitempty"`
	// History holds the newest ended operations, as many as were asked for, and
	// Decisions the newest changes of what the host decides, as many.
	History   []Operation `json:"history,omitempty"`
	Decisions []Decision  `json:"decisions,omitempty"`
}

// Decision is what a host has decided from a time on.
type Decision struct {
	// At is by the clock of that host.
	At       time.Time     `json:"at"`
	Hold     policy.Reason `json:"hold"`
	HoldText string        `json:"hold_text"`
	Band     policy.Band   `json:"band"`
	// CPU and Memory are the use of the host, with what it has promised.
	CPU    policy.Fraction `json:"cpu"`
	Memory policy.Fraction `json:"memory"`
	// Move is the first of the moves that were decided; nil if there was none.
	Move    *policy.Move `json:"move,omitempty"`
	WhyText string       `json:"why_text,omitempty"`
	ToName  string       `json:"to_name,omitempty"`
	// Stay counts the domains that stay, by reason.
	Stay []Tally `json:"stay,omitempty"`
}

// Tally is how many domains stay for one reason.
type Tally struct {
	Reason  policy.Reason `json:"reason"`
	Text    string        `json:"text"`
	Domains int           `json:"domains"`
}

// Timeline is the load of the hosts over the last while.
type Timeline struct {
	// At are the times of the points, in ms since 1970, oldest first.
	At []int64 `json:"at"`
	// Permille is the CPU use at each of them, in thousandths of the capacity;
	// -1 where it was not known.
	Permille map[policy.HostID][]int `json:"permille"`
}

// FleetReport is the whole fleet as one daemon can show it.
type FleetReport struct {
	At time.Time `json:"at"`
	// Hosts are all that the daemon knows: itself first, the others by name.
	Hosts []HostReport `json:"hosts"`
}

// HostReport is one host of the fleet: what gossip says of it, and what it
// reports of itself.
type HostReport struct {
	Host
	// Report is the newest that the host has given; nil if it has given none.
	Report *Report `json:"report,omitempty"`
	// ReportAgeSeconds is how old that is.
	ReportAgeSeconds float64 `json:"report_age_seconds,omitempty"`
	// Silent is why the host gave no report when it was last asked; empty if it
	// did. Then the report, if any, is an old one.
	Silent string `json:"silent,omitempty"`
}
