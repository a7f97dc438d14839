package balancer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Core is what one daemon knows and how that changes with each fact. It reads
// no clock, starts no goroutine and does no I/O: times are arguments, and what
// follows from a fact is returned. So the daemon and the deterministic
// simulation run the same code.
//
// A Core has one owner; it is not safe for concurrent use.
type Core struct {
	tuning Tuning
	// facts are this host's, with the labels that are in force; configured are
	// those that the configuration gives it.
	facts      policy.HostFacts
	configured []string
	labels     LabelChanges

	estimator   policy.Estimator
	utilization policy.Utilization
	sample      policy.Sample
	listed      time.Time // the newest sample that knew the domains
	domains     []policy.Domain

	state  policy.State
	ledger policy.Ledger
	// arriving holds what is to be finished on domains that have been promised a
	// place. It outlives the promise: room is freed by silence, but a domain
	// may arrive all the same, or the hypervisor not answer when it does.
	arriving map[policy.OpID]arrival

	// doubts are about domains that other hosts were to move here.
	doubts map[doubtKey]Doubt

	// others remembers whom somebody else has brought here.
	others strangers

	operations map[policy.OpID]operation.Operation
	// auditing are the operations whose audit is being made; regrets are of the
	// domains whose move here has not helped.
	auditing map[policy.OpID]bool
	regrets  map[policy.DomainID]Regret
	// cancelled are the operations that a person wants given up.
	cancelled  map[policy.OpID]bool
	paused     bool
	cordoned   bool
	draining   bool
	journalErr error
	// remembered: what an earlier life left has been brought up to this one's
	// clock.
	remembered bool
	decision   policy.Decision
	shadow     Shadow
	closed     closed
	// heard is what the last decision knew of the others.
	heard Fleet
}

// Tuning is what of the configuration the core needs. All of it may change
// while it runs.
type Tuning struct {
	Policy policy.Config
	// Shadow decides beside Policy, for comparison only; nil is no shadow.
	Shadow *policy.Config
	// Record is whether what decisions rest on is kept, for replay.
	Record bool
	Mode   policy.Mode
	// Windows are when load-driven moves may begin, and in which mode.
	Windows policy.Windows
	// Interval between samples. Shorter sees sooner and costs more.
	Interval time.Duration
	// TimeConstant is the estimator's.
	TimeConstant time.Duration
	// Horizon is how far ahead the estimator follows a trend.
	Horizon time.Duration
	// ReserveTTL is how long a promise lives without being renewed.
	ReserveTTL time.Duration
}

// Promise is a reservation that this host has given, with what to finish on the
// domain once it has arrived. A reservation that has ended holds no load.
type Promise struct {
	Reservation policy.Reservation `json:"reservation"`
	Handoff     hypervisor.Handoff `json:"handoff"`
	// Lapsed: the promise has ended and holds no load, but the domain may come all
	// the same.
	Lapsed bool `json:"lapsed,omitempty"`
}

// arrival is what is to be finished on one domain.
type arrival struct {
	domain  policy.DomainID
	from    policy.HostID
	handoff hypervisor.Handoff
	// promise is what was booked; zero if an earlier life did not write it down.
	promise policy.Reservation
	// heard is when this life last heard of it; zero is not yet.
	heard time.Time
	// since is when it was first seen to run here.
	since time.Time
	// told: the source says that it has come.
	told bool
}

// arrivalKept is for how long an arrival that nobody speaks of is waited for.
const arrivalKept = time.Hour

// Memory is what of the core survives a restart, beside the journal.
type Memory struct {
	State    policy.State `json:"state"`
	Paused   bool         `json:"paused"`
	Cordoned bool         `json:"cordoned"`
	Draining bool         `json:"draining,omitempty"`
	// Labels are what an operator has changed in the configured ones.
	Labels LabelChanges `json:"labels,omitzero"`
	// Promises to domains that have not arrived: without them a target that was
	// restarted would not know whose arrival to finish.
	Promises []Promise `json:"promises,omitempty"`
	// Doubts are about domains that other hosts were to move here.
	Doubts []Doubt `json:"doubts,omitempty"`
	// Brought are the domains that somebody else has moved here.
	Brought []Brought `json:"brought,omitempty"`
	// Regrets are of the domains whose move here has not helped.
	Regrets []Regret `json:"regrets,omitempty"`
}

// NewCore returns a core that knows its own host, and what an earlier life
// remembered.
func NewCore(facts policy.HostFacts, t Tuning, m Memory) *Core {
	c := &Core{
		tuning: t, facts: facts, configured: facts.Labels, labels: m.Labels,
		estimator: policy.Estimator{TimeConstant: t.TimeConstant, Horizon: t.Horizon},
		state:     m.State, paused: m.Paused, cordoned: m.Cordoned, draining: m.Draining,
		arriving:   map[policy.OpID]arrival{},
		doubts:     map[doubtKey]Doubt{},
		operations: map[policy.OpID]operation.Operation{},
		others:     newStrangers(m.Brought),
		cancelled:  map[policy.OpID]bool{},
		auditing:   map[policy.OpID]bool{}, regrets: map[policy.DomainID]Regret{},
	}
	for _, d := range m.Doubts {
		c.doubts[d.key()] = d
	}
	for _, g := range m.Regrets {
		c.regrets[g.Domain] = g
	}
	c.facts.Labels = c.labels.apply(c.configured)
	for _, p := range m.Promises {
		r := p.Reservation
		if r.Load != (policy.Load{}) && !p.Lapsed {
			c.ledger = c.ledger.With(r)
		}
		c.arriving[r.Op] = arrival{domain: r.Domain, from: r.From, handoff: p.Handoff, promise: r}
	}
	return c
}

// Retune applies a changed configuration.
func (c *Core) Retune(t Tuning) {
	c.tuning, c.closed, c.shadow = t, closed{}, Shadow{}
	c.estimator.TimeConstant, c.estimator.Horizon = t.TimeConstant, t.Horizon
}

// Memory returns what to keep for the next life. What detection has counted is
// not kept: a new life looks anew before it acts.
func (c *Core) Memory() Memory {
	state := c.state
	state.Emptying = time.Time{}
	state.Counted, state.Over, state.OverSince, state.Relieving = time.Time{}, nil, time.Time{}, false
	state.Uses = nil
	m := Memory{
		State: state, Paused: c.paused, Cordoned: c.cordoned, Draining: c.draining, Labels: c.labels,
		Doubts: c.rememberedDoubts(), Brought: c.others.remembered(), Regrets: c.rememberedRegrets(),
	}
	for _, op := range slices.Sorted(maps.Keys(c.arriving)) {
		a := c.arriving[op]
		r, ok := c.ledger.Find(op)
		switch {
		case !ok:
			r = a.promise
		case r.Phase == policy.SettlingIn: // the new life will measure it
			r = policy.Reservation{Op: op, Domain: a.domain, From: a.from, To: c.facts.ID, Granted: r.Granted}
		}
		m.Promises = append(m.Promises, Promise{r, a.handoff, !ok})
	}
	return m
}

// Operations returns the open operations of this host, by ID.
func (c *Core) Operations() []operation.Operation {
	return slices.SortedFunc(maps.Values(c.operations), func(a, b operation.Operation) int {
		return strings.Compare(string(a.ID), string(b.ID))
	})
}

// JournalFailed records whether the journal can be written; nil when it can.
func (c *Core) JournalFailed(err error) { c.journalErr = err }

// Sampled takes in one sample. It returns the arrivals that it shows: domains
// that had been promised a place and now run here.
func (c *Core) Sampled(now time.Time, s policy.Sample) []Arrived {
	c.rejudge(now)
	c.silenced(now)
	c.fade(s.At)
	c.utilization = c.estimator.Observe(s)
	if !s.DomainsKnown {
		s.Domains = c.sample.Domains
	}
	if s.DomainsKnown {
		c.listed = s.At
		s.Domains = c.others.observe(now, s.Domains, c.promisedTo, c.tuning.Policy)
		c.remind(now, s.Domains)
		c.regretted(s.Domains)
	}
	c.sample = s
	c.domains = nil
	for _, d := range s.Domains {
		if d.State != policy.StateShutoff && d.Job != policy.MigratingIn {
			c.domains = append(c.domains, c.estimator.Domain(d))
		}
	}
	if s.DomainsKnown {
		c.reconcile(now)
	}
	c.ledger = c.ledger.Unexpired(now)
	if !s.DomainsKnown {
		return nil
	}
	return c.arrived(now)
}

// rejudge bounds, once, the times that an earlier life wrote down: its clock may
// have been ahead of ours, and no wait is longer from now than it was when it
// began. Or behind: what was promised is promised for a TTL from now, whatever
// the clock says.
func (c *Core) rejudge(now time.Time) {
	if c.remembered {
		return
	}
	c.remembered = true
	p := c.tuning.Policy
	for _, r := range c.ledger {
		r.Expires = now.Add(c.tuning.ReserveTTL)
		c.ledger = c.ledger.With(r)
	}
	c.state.SettleUntil = earlier(c.state.SettleUntil, now.Add(p.Settle))
	c.state.BrokenUntil = earlier(c.state.BrokenUntil, now.Add(p.BreakerReset))
	c.state.Debt.Until = earlier(c.state.Debt.Until, now.Add(p.Cooldown))
	c.state.Awaited.Until = earlier(c.state.Awaited.Until, now.Add(p.Cooldown))
	c.state.NoSwapUntil = earlier(c.state.NoSwapUntil, now.Add(p.Cooldown))
	c.state.Backoffs = slices.Clone(c.state.Backoffs)
	for i := range c.state.Backoffs {
		b := &c.state.Backoffs[i]
		b.Until = earlier(b.Until, now.Add(p.CooldownMax))
	}
	c.state.Expectations = slices.Clone(c.state.Expectations)
	for i := range c.state.Expectations {
		e := &c.state.Expectations[i]
		e.Ended = earlier(e.Ended, now)
	}
	c.state.Quarantines = slices.Clone(c.state.Quarantines)
	for i := range c.state.Quarantines {
		q := &c.state.Quarantines[i]
		q.Last, q.Until = earlier(q.Last, now), earlier(q.Until, now.Add(p.CooldownMax))
	}
}

// Decide decides on the newest facts and remembers.
func (c *Core) Decide(now time.Time, fleet Fleet) policy.Decision {
	c.heard = fleet
	v, was := c.View(now, fleet), c.state
	c.decision, c.state = policy.Policy{Config: c.tuning.Policy}.Decide(v, was)
	c.shadow = c.shadow.decided(c.tuning.Shadow, v, was, c.decision)
	return c.decision
}

// Facts are what one turn of the control loop has found.
type Facts struct {
	Sample policy.Sample
	// Journal is nil if the journal can be written.
	Journal error
	Fleet   Fleet
}

// Turn is what follows from them.
type Turn struct {
	Arrived  []Arrived
	Audits   []AuditDue
	Decision policy.Decision
	Shadow   Shadow
	// View is what was decided on.
	View policy.View
}

// Turn is one turn of the control loop: it takes the facts in and decides.
func (c *Core) Turn(now time.Time, f Facts) Turn {
	c.JournalFailed(f.Journal)
	arrived := c.Sampled(now, f.Sample)
	return Turn{
		Arrived:  arrived,
		Audits:   c.audits(now),
		Decision: c.Decide(now, f.Fleet),
		Shadow:   c.shadow,
		View:     c.View(now, f.Fleet),
	}
}

// Begin opens an operation for a move of the last decision.
func (c *Core) Begin(now time.Time, id policy.OpID, m policy.Move, target policy.Endpoint) operation.Operation {
	o := operation.Open(now, id, m, target)
	c.operations[id] = o
	return o
}

// Adopt takes up an operation that an earlier life left open.
func (c *Core) Adopt(o operation.Operation) { c.operations[o.ID] = o }

// Advanced records that one of our operations has come further; when it has
// ended, the policy learns how.
func (c *Core) Advanced(now time.Time, o operation.Operation) {
	if !o.Phase.Closed() {
		c.operations[o.ID] = o
		if o.Phase >= operation.Reserved {
			// What others gossip lags behind what the target just promised us.
			c.ledger = c.ledger.With(policy.Reservation{
				Op: o.ID, Domain: o.Move.Domain, From: o.Move.From, To: o.Move.To,
				Load:    o.Move.Booked(),
				Groups:  o.Move.Groups,
				Phase:   policy.Migrating,
				Granted: o.Changed, Expires: now.Add(24 * time.Hour),
			})
		}
		return
	}
	delete(c.operations, o.ID)
	delete(c.cancelled, o.ID)
	c.ledger = c.ledger.Without(o.ID)
	c.jobEnded(o.Move.Domain)
	if o.Begun.IsZero() {
		c.state = c.tuning.Policy.Refused(c.state, now, o.Move, o.Outcome.Reason)
		return
	}
	c.state = c.tuning.Policy.Finished(c.state, now, o.Move, o.Outcome)
	c.state = c.tuning.Policy.Expect(c.state, now, o.ID, o.Move, o.Outcome)
}

// jobEnded takes the job of an ended operation out of the last sample, which was
// taken while it ran: until the next one its slot would seem to be in use.
func (c *Core) jobEnded(id policy.DomainID) {
	c.sample.Domains = slices.Clone(c.sample.Domains)
	for i := range c.sample.Domains {
		if d := &c.sample.Domains[i]; d.ID == id && d.Job == policy.MigratingOut {
			d.Job = policy.NoJob
		}
	}
}

// Recheck says, from the newest facts, whether a move that has been promised a
// place still makes sense.
func (c *Core) Recheck(now time.Time, o operation.Operation) policy.Reason {
	i := slices.IndexFunc(c.domains, func(d policy.Domain) bool { return d.ID == o.Move.Domain })
	switch {
	case c.cancelled[o.ID]:
		return policy.Cancelled
	case c.paused && o.Move.Why != policy.Manual:
		return policy.PausedByOperator
	case c.journalErr != nil:
		return policy.JournalUnwritable
	case c.frozen():
		return policy.FrozenHost
	case c.blind(now):
		return policy.NoSample
	case i < 0:
		return policy.SourceGone
	case c.domains[i].Obstacle != policy.OK:
		return c.domains[i].Obstacle
	case c.operatesOn(o.Move.Domain, o.ID):
		return policy.JobActive
	case c.unconfirmed(o.Move.Domain):
		return policy.Unconfirmed
	default:
		return policy.OK
	}
}

// Leaving is the history that a domain takes along when it leaves now, for that
// reason. Whoever leaves a host that is drained may come back when it is not.
func (c *Core) Leaving(now time.Time, id policy.DomainID, why policy.Reason) policy.MoveHistory {
	var history policy.MoveHistory
	if d, ok := c.counters(id); ok {
		history = d.History
	}
	from := c.facts.ID
	if why == policy.Drain {
		from = ""
	}
	return c.tuning.Policy.Arrived(history, now, from)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
