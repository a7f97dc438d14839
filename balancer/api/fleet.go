package api

import "time"

// Report is what one host tells of itself, for people: what gossip is too small
// for.
type Report struct {
	Status
	// Domains are those of the host, the one that uses most CPU first.
	Domains []Domain `json:"domains"`
	// DomainsLeftOut counts those that the report had no room for.
	DomainsLeftOut int `json:"domains_left_out,omitempty"`
	// History holds the newest ended operations, as many as were asked for.
	History []Operation `json:"history,omitempty"`
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
