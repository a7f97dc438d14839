package api

import (
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Status is the daemon at a glance.
type Status struct {
	Version string           `json:"version"`
	Started time.Time        `json:"started"`
	Host    policy.HostFacts `json:"host"`
	State   policy.HostState `json:"state"`
	Marks   policy.Marks     `json:"marks"`
	Mode    policy.Mode      `json:"mode"`
	Paused  bool             `json:"paused"`
	// Closed: load-driven moves may not begin at this time; nil when they may.
	Closed *Closed `json:"closed,omitempty"`
	// Strategy is what the host does beyond relief. With "consolidate", Idle are
	// the hosts that run nothing and are not held in reserve.
	Strategy policy.Strategy `json:"strategy"`
	Idle     []policy.HostID `json:"idle,omitempty"`
	// Room is what the fleet could yet take in, for domains of the size that was
	// refused last or else of this host's median, and whether it would bear the
	// loss of a host: as far as this host knows.
	Room Headroom `json:"room"`
	// Shortage says what would help this host, when nobody relieves it.
	Shortage *policy.Shortage `json:"shortage,omitempty"`
	// Sampled is when the newest usable sample was taken; zero if there is none.
	Sampled time.Time `json:"sampled,omitzero"`
	// Over says of the last samples, newest first, whether they speak for relief.
	Over []bool `json:"over,omitempty"`
	// Alarms are what other hosts have found of domains that they were to move
	// here; those of this host's own moves are in Operations.
	Alarms []Alarm `json:"alarms,omitempty"`
	// Hold is why nothing is started; "ok" when something is.
	Hold       policy.Reason `json:"hold"`
	HoldText   string        `json:"hold_text"`
	Fleet      Fleet         `json:"fleet"`
	Operations []Operation   `json:"operations"`
}

// Alarm calls for a person to look at a domain that another host was to move
// here.
type Alarm struct {
	Domain   policy.DomainID `json:"domain"`
	Name     string          `json:"name"`
	From     policy.HostID   `json:"from"`
	FromName string          `json:"from_name,omitempty"`
	Reason   policy.Reason   `json:"reason"`
}

// Headroom is what the fleet could yet take in, with the name of the host that
// it mentions by ID.
type Headroom struct {
	policy.Headroom
	HardestName string `json:"hardest_loss_name,omitempty"`
}

// Closed is a time outside the windows in which moves may begin.
type Closed struct {
	// Opens is when that ends; zero if it does not within a year.
	Opens time.Time `json:"opens,omitzero"`
}

// Fleet counts hosts, this one included.
type Fleet struct {
	// Known in the last day; Fresh enough to be believed.
	Known int `json:"known"`
	Fresh int `json:"fresh"`
	// Missing are the known hosts of which nothing is known now.
	// Only a host's own status lists them.
	Missing []policy.MissingHost `json:"missing,omitempty"`
}

// Host is one host as this daemon sees it.
type Host struct {
	policy.Host
	Self  bool `json:"self,omitempty"`
	Stale bool `json:"stale,omitempty"`
	// AgeSeconds is how long ago its state arrived.
	AgeSeconds float64 `json:"age_seconds"`
}

// Domain is one domain of this host.
type Domain struct {
	policy.Domain
	// Stays is why it is not moved now; "ok" if it is.
	Stays     policy.Reason `json:"stays"`
	StaysText string        `json:"stays_text"`
}

// Operation is one move, running or ended.
type Operation struct {
	ID     policy.OpID   `json:"op"`
	Phase  string        `json:"phase"`
	Move   policy.Move   `json:"move"`
	Opened time.Time     `json:"opened"`
	Ended  time.Time     `json:"ended,omitzero"`
	Alarm  policy.Reason `json:"alarm,omitempty"`
	Result policy.Result `json:"result"`
	Reason policy.Reason `json:"reason"`
	Detail string        `json:"detail,omitempty"`
	// FromName and ToName name the hosts, where they are known.
	FromName string `json:"from_name,omitempty"`
	ToName   string `json:"to_name,omitempty"`

	DurationSeconds float64 `json:"duration_seconds,omitempty"`
	DowntimeSeconds float64 `json:"downtime_seconds,omitempty"`
	// Gain is by how much a move for the sake of load was predicted to lower the
	// higher of the two loads; Audits say what it did.
	Gain   policy.Fraction `json:"predicted_gain,omitempty"`
	Audits policy.Audits   `json:"audits,omitzero"`
	// Done is the share of the guest's memory that has been copied, 0..1.
	Done policy.Fraction `json:"done,omitempty"`
}

// Plan is what would happen now.
type Plan struct {
	policy.Decision
	// HoldText is Hold for people.
	HoldText string `json:"hold_text"`
	// Room is that of Status.
	Room Headroom `json:"room"`
	// HostNames names the hosts that the decision mentions by ID.
	HostNames map[policy.HostID]string `json:"host_names"`
	// Shadow is what the policy of policy.shadow would have decided; nil if there is
	// none.
	Shadow *Shadow `json:"shadow,omitempty"`
}

// Shadow is a decision that nobody obeys.
type Shadow struct {
	policy.Decision
	HoldText string `json:"hold_text"`
	// Disagreement is with the decision in force.
	Disagreement policy.Disagreement `json:"disagreement"`
}

// Explanation is all that can be said about moving one domain now.
type Explanation struct {
	Domain policy.Domain `json:"domain"`
	// On names the host that runs the domain, and whose explanation this is.
	On string `json:"on"`
	// Hold is why this host starts nothing, whatever the domain; "ok" if it
	// does.
	Hold     policy.Reason `json:"hold"`
	HoldText string        `json:"hold_text"`
	// Stays is why the last decision left the domain here; Move is set instead
	// if it proposed to move it.
	Stays policy.Reason `json:"stays"`
	Move  *policy.Move  `json:"move,omitempty"`
	// Unconfirmed names the host that the domain came from and that has not said
	// yet that it is gone there; empty if that is none.
	Unconfirmed string `json:"unconfirmed,omitempty"`
	// Hosts say, each, why the domain could not go there; "ok" if it could.
	Hosts []HostExplanation `json:"hosts"`
	// Instead is the smallest change under which it would have moved; nil if it
	// moves, or if no change of what is tried would move it.
	Instead *Instead `json:"instead,omitempty"`
	// History holds the moves of the domain away from this host, newest first.
	History []Operation `json:"history,omitempty"`
}

// Instead is what would have to be other than it is for a domain to move.
type Instead struct {
	policy.Instead
	// Text is the change for people, a clause; ToName names the host to which it
	// would move.
	Text   string `json:"text"`
	ToName string `json:"to_name"`
}

// HostExplanation is why a domain could or could not go to a host.
type HostExplanation struct {
	Host   policy.HostID `json:"host"`
	Name   string        `json:"name"`
	Reason policy.Reason `json:"reason"`
	Text   string        `json:"text"`
}

// Drain is how far the draining of a host has come; of a host that is not being
// drained, what draining it would do.
type Drain struct {
	Host     policy.HostID `json:"host"`
	Name     string        `json:"name"`
	Draining bool          `json:"draining"`
	// Hold is why nothing starts at the moment; "ok" when nothing is in the way.
	Hold     policy.Reason `json:"hold"`
	HoldText string        `json:"hold_text"`
	// Stays are the domains that cannot leave, with the reason, those first that
	// no host could take.
	Stays []Stay `json:"stays"`
	// Moving are the migrations that run, Moves those that are likely to follow,
	// in their order.
	Moving    []Operation              `json:"moving"`
	Moves     []policy.Move            `json:"moves"`
	HostNames map[policy.HostID]string `json:"host_names"`
}

// Network is whether a host has a network of that name: an active one of
// libvirt's, or an interface such as a bridge.
type Network struct {
	Name string `json:"name"`
	Here bool   `json:"here"`
}

// DrainQuery says how to look ahead.
type DrainQuery struct {
	// Check has the targets run their pre-flight checks. It takes some seconds.
	Check bool
	// Without are hosts, by name or UUID, that take nothing in either.
	Without []string
}

// Empty reports that nothing is left on the host.
func (d Drain) Empty() bool { return len(d.Stays) == 0 && len(d.Moving) == 0 && len(d.Moves) == 0 }

// Stuck reports that the drain gets no further unless something changes.
func (d Drain) Stuck() bool {
	return d.Hold == policy.OK && len(d.Moving) == 0 && len(d.Moves) == 0
}

// Stay is a domain that stays, and why.
type Stay struct {
	Domain policy.DomainID `json:"domain"`
	Name   string          `json:"name"`
	Reason policy.Reason   `json:"reason"`
	Text   string          `json:"text"`
	// Hosts say, each, why the domain could not go there; empty when the domain
	// can go nowhere.
	Hosts []HostExplanation `json:"hosts,omitempty"`
}

// Crowded reports that a host would take the domain if it were less busy: load
// comes and goes.
func (s Stay) Crowded() bool {
	return slices.ContainsFunc(s.Hosts, func(h HostExplanation) bool { return h.Reason == policy.HostOverReceive })
}

// FindQuery describes a new domain.
type FindQuery struct {
	Load     policy.Load
	Requires []string
}

// Room is whether a host could take such a domain, and how often.
type Room struct {
	policy.Room
	Name string `json:"name"`
	Text string `json:"text"`
}

// MoveOrder is a move that a person wants.
type MoveOrder struct {
	// Domain and To are names or UUIDs.
	Domain string `json:"domain"`
	To     string `json:"to"`
	// ForceLoad fills the target above its receive mark, if it must be.
	ForceLoad bool `json:"force_load,omitempty"`
	// Proposed: the move is to be made only if the host proposes it still.
	Proposed bool `json:"proposed,omitempty"`
	// Check only says what would be; nothing is begun.
	Check bool `json:"check,omitempty"`
}

// Refusal is why an order is not carried out: the balancer's rules, not a
// fault.
type Refusal struct {
	Reason policy.Reason
	// Detail is for people.
	Detail string
}

// Error says why.
func (r *Refusal) Error() string {
	if r.Detail != "" {
		return r.Reason.Text() + ": " + r.Detail
	}
	return r.Reason.Text()
}
