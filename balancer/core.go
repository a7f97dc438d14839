package balancer

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
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

	// others remembers whom somebody else has brought here.
	others strangers

	operations map[policy.OpID]operation.Operation
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
	closed     closed
	// heard is what the last decision knew of the others.
	heard Fleet
}

// Tuning is what of the configuration the core needs. All of it may change
// while it runs.
type Tuning struct {
	Policy policy.Config
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
}

// arrival is what is to be finished on one domain.
type arrival struct {
	domain  policy.DomainID
	from    policy.HostID
	handoff hypervisor.Handoff
	// heard is when this life last heard of it; zero is not yet.
	heard time.Time
	// since is when it was first seen to run here.
	since time.Time
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
	// Brought are the domains that somebody else has moved here.
	Brought []Brought `json:"brought,omitempty"`
}

// NewCore returns a core that knows its own host, and what an earlier life
// remembered.
func NewCore(facts policy.HostFacts, t Tuning, m Memory) *Core {
	c := &Core{
		tuning: t, facts: facts, configured: facts.Labels, labels: m.Labels,
		estimator: policy.Estimator{TimeConstant: t.TimeConstant, Horizon: t.Horizon},
		state:     m.State, paused: m.Paused, cordoned: m.Cordoned, draining: m.Draining,
		arriving:   map[policy.OpID]arrival{},
		operations: map[policy.OpID]operation.Operation{},
		others:     newStrangers(m.Brought),
		cancelled:  map[policy.OpID]bool{},
	}
	c.facts.Labels = c.labels.apply(c.configured)
	for _, p := range m.Promises {
		r := p.Reservation
		if r.Load != (policy.Load{}) {
			c.ledger = c.ledger.With(r)
		}
		c.arriving[r.Op] = arrival{domain: r.Domain, from: r.From, handoff: p.Handoff}
	}
	return c
}

// Retune applies a changed configuration.
func (c *Core) Retune(t Tuning) {
	c.tuning, c.closed = t, closed{}
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
		Brought: c.others.remembered(),
	}
	for _, op := range slices.Sorted(maps.Keys(c.arriving)) {
		a := c.arriving[op]
		r, ok := c.ledger.Find(op)
		if !ok || r.Phase == policy.SettlingIn { // then the new life will measure it
			r = policy.Reservation{Op: op, Domain: a.domain, From: a.from, To: c.facts.ID}
		}
		m.Promises = append(m.Promises, Promise{r, a.handoff})
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
	c.fade(s.At)
	c.utilization = c.estimator.Observe(s)
	if !s.DomainsKnown {
		s.Domains = c.sample.Domains
	}
	if s.DomainsKnown {
		c.listed = s.At
		s.Domains = c.others.observe(now, s.Domains, c.promisedTo, c.tuning.Policy)
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
// began.
func (c *Core) rejudge(now time.Time) {
	if c.remembered {
		return
	}
	c.remembered = true
	p := c.tuning.Policy
	for _, r := range c.ledger {
		r.Expires = earlier(r.Expires, now.Add(c.tuning.ReserveTTL))
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
}

// Arrived is a domain whose arrival has to be finished here.
type Arrived struct {
	Op      policy.OpID
	Domain  policy.DomainID
	Handoff hypervisor.Handoff
}

// arrived returns the arrivals that are to be finished, each time until they
// are, and forgets those that will not come.
func (c *Core) arrived(now time.Time) []Arrived {
	var all []Arrived
	for _, op := range slices.Sorted(maps.Keys(c.arriving)) {
		a := c.arriving[op]
		_, promised := c.ledger.Find(op)
		d, here := c.counters(a.domain)
		switch {
		case here && d.State == policy.StateRunning && d.Job != policy.MigratingIn:
			all = append(all, c.arrive(now, op, a))
		case here || promised || a.heard.IsZero():
			a.heard = now
			c.arriving[op] = a
		case now.Sub(a.heard) > arrivalKept:
			delete(c.arriving, op)
		}
	}
	return all
}

// arrive is what to finish on a domain that has arrived by now.
func (c *Core) arrive(now time.Time, op policy.OpID, a arrival) Arrived {
	if a.since.IsZero() {
		a.since = now
		c.arriving[op] = a
	}
	// The source filled the history in before the move, which ended later.
	a.handoff.History.Last = later(a.handoff.History.Last, a.since)
	return Arrived{op, a.domain, a.handoff}
}

// Finished records that an arrival has been finished.
func (c *Core) Finished(op policy.OpID) {
	if a, ok := c.arriving[op]; ok {
		c.others.expect(a.domain)
	}
	delete(c.arriving, op)
}

// promisedTo reports whether this host waits for the domain.
func (c *Core) promisedTo(id policy.DomainID) bool {
	for _, a := range c.arriving {
		if a.domain == id {
			return true
		}
	}
	return slices.ContainsFunc(c.ledger, func(r policy.Reservation) bool { return r.Domain == id && r.To == c.facts.ID })
}

// reconcile puts what libvirt shows above what was promised: a domain that is
// on its way keeps its promise alive whatever the source says, one that runs
// here has arrived. It does so even for a promise that has just expired.
func (c *Core) reconcile(now time.Time) {
	for _, r := range c.ledger {
		if r.To != c.facts.ID || r.Phase == policy.SettlingIn {
			continue
		}
		d, ok := c.counters(r.Domain)
		switch {
		case !ok:
		case d.Job == policy.MigratingIn:
			r.Phase = policy.Migrating
			r.Expires = later(r.Expires, now.Add(c.tuning.ReserveTTL))
			c.ledger = c.ledger.With(r)
		case d.State == policy.StateRunning:
			c.settle(now, r)
		}
	}
}

// fade takes from the promises to domains that have arrived what the estimator
// adds to the measured load in the same time: the one loses exp(-dt/T) of what
// is left as the other gains it, so that together they neither miss the domain
// nor count it twice. Memory stays promised until the reservation ends: the
// guest may not have touched all of it.
func (c *Core) fade(sampled time.Time) {
	for _, r := range c.ledger {
		if r.To != c.facts.ID || r.Phase != policy.SettlingIn {
			continue
		}
		if dt := sampled.Sub(later(c.sample.At, r.Arrived)); dt > 0 && c.tuning.TimeConstant > 0 {
			left := math.Exp(-dt.Seconds() / c.tuning.TimeConstant.Seconds())
			r.Load.CPU = policy.MilliCPU(float64(r.Load.CPU) * left)
			c.ledger = c.ledger.With(r)
		}
	}
}

// settle keeps the promise counted until the load of the domain is part of what
// is measured.
func (c *Core) settle(now time.Time, r policy.Reservation) {
	r.Phase, r.Arrived = policy.SettlingIn, now
	r.Expires = now.Add(3 * c.tuning.TimeConstant) // 5 % is left by then
	c.ledger = c.ledger.With(r)
	c.state.SettleUntil = later(c.state.SettleUntil, now.Add(c.tuning.Policy.Settle))
}

func (c *Core) counters(id policy.DomainID) (policy.DomainCounters, bool) {
	i := slices.IndexFunc(c.sample.Domains, func(d policy.DomainCounters) bool { return d.ID == id })
	if i < 0 {
		return policy.DomainCounters{}, false
	}
	return c.sample.Domains[i], true
}

// HostState is this host as the others are to see it.
func (c *Core) HostState(now time.Time) policy.HostState {
	s := policy.HostState{
		Used: policy.Load{
			CPU:    policy.MilliCPU(float64(c.utilization.Smoothed) * float64(c.facts.Capacity.CPU)),
			Memory: c.utilization.Memory,
		},
		Ahead:    c.utilization.Ahead,
		Pressure: c.utilization.Pressure,
		Promised: c.ledger.Unexpired(now).Promised(c.facts.ID),
		Running:  len(c.domains),
		Groups:   policy.GroupsOf(c.facts.ID, c.domains, c.ledger.Unexpired(now)),
		Band:     policy.BandUnknown,
	}
	s.Reserved = c.tuning.Policy.Reserved(c.facts.Capacity, s.Used, c.domains)
	for _, d := range c.sample.Domains {
		switch d.Job {
		case policy.MigratingIn:
			s.Inbound++
		case policy.MigratingOut:
			s.Outbound++
		}
	}
	s.Inbound = max(s.Inbound, c.ledger.Inbound(c.facts.ID))
	s.Outbound = max(s.Outbound, c.underway())
	if c.blind(now) {
		s.Flags |= policy.Blind
	} else {
		s.Band = c.tuning.Policy.Marks.Band(s.Used.Share(policy.CPU, c.facts.Capacity))
	}
	for flag, set := range map[policy.HostFlags]bool{
		policy.Paused: c.paused, policy.Cordoned: c.cordoned, policy.Draining: c.draining, policy.Frozen: c.frozen(),
		policy.Emptying: !c.state.Emptying.IsZero(),
	} {
		if set {
			s.Flags |= flag
		}
	}
	return s
}

// blind reports that the host's own load, or what its domains do, has not been
// known for too long.
func (c *Core) blind(now time.Time) bool {
	stale := func(t time.Time) bool { return now.Sub(t) > c.tuning.Policy.StaleAfter }
	return !c.utilization.Known || stale(c.utilization.At) || stale(c.listed)
}

// frozen reports that a domain of ours was found on both hosts, on neither, or
// left paused: then nothing moves here until a person has looked.
func (c *Core) frozen() bool {
	for _, o := range c.operations {
		switch o.Alarm() {
		case policy.OK, policy.NotLocated:
		default:
			return true
		}
	}
	return false
}

// underway counts the operations that hold an outbound slot.
func (c *Core) underway() int { return len(c.operations) }

// Fleet is what the cluster says of the other hosts at one instant.
type Fleet struct {
	Others []policy.Host
	// Known counts the hosts heard from in the last day, this one included.
	Known int
	// Conflict: another host claims to be this one.
	Conflict bool
}

// View is everything that a decision may look at.
func (c *Core) View(now time.Time, fleet Fleet) policy.View {
	moment := c.moment(now)
	return policy.View{
		Now: now, Self: c.facts.ID,
		Hosts:       append([]policy.Host{c.Self(now)}, fleet.Others...),
		Domains:     c.movable(),
		Ledger:      c.ledger.Unexpired(now),
		Utilization: c.judged(),
		Conditions: policy.Conditions{
			Mode: moment.Mode, Paused: c.paused, Frozen: c.frozen(),
			Closed: !moment.Open, Opens: moment.Opens,
			JournalUnwritable: c.journalErr != nil,
			Known:             fleet.Known, Conflict: fleet.Conflict,
		},
	}
}

// judged is the utilization as decisions see it: while the hypervisor does not
// say what its domains do, there is nothing that could be decided about them.
func (c *Core) judged() policy.Utilization {
	u := c.utilization
	u.Known = u.Known && c.sample.DomainsKnown
	return u
}

// movable are the domains, with what this host is already doing with them: until
// an operation has ended, nobody knows where its domain will be.
func (c *Core) movable() []policy.Domain {
	domains := slices.Clone(c.domains)
	for i := range domains {
		if domains[i].Obstacle == policy.OK && c.operatesOn(domains[i].ID, "") {
			domains[i].Obstacle = policy.JobActive
		}
	}
	return domains
}

// operatesOn reports whether an operation on the domain is open, other than the
// given one.
func (c *Core) operatesOn(id policy.DomainID, other policy.OpID) bool {
	for op, o := range c.operations {
		if o.Move.Domain == id && op != other {
			return true
		}
	}
	return false
}

// Decide decides on the newest facts and remembers.
func (c *Core) Decide(now time.Time, fleet Fleet) policy.Decision {
	c.heard = fleet
	c.decision, c.state = policy.Policy{Config: c.tuning.Policy}.Decide(c.View(now, fleet), c.state)
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
	Decision policy.Decision
	// View is what was decided on.
	View policy.View
}

// Turn is one turn of the control loop: it takes the facts in and decides.
func (c *Core) Turn(now time.Time, f Facts) Turn {
	c.JournalFailed(f.Journal)
	arrived := c.Sampled(now, f.Sample)
	return Turn{
		Arrived:  arrived,
		Decision: c.Decide(now, f.Fleet),
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
	if o.Begun.IsZero() {
		c.state = c.tuning.Policy.Refused(c.state, now, o.Move, o.Outcome.Reason)
		return
	}
	c.state = c.tuning.Policy.Finished(c.state, now, o.Move, o.Outcome)
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

// WouldAdmit answers a source that asks for room, and books nothing. To make
// room first is yes as well: what else speaks against the domain is to be known
// before anything is moved for it.
func (c *Core) WouldAdmit(now time.Time, r peer.ReserveRequest) policy.Reason {
	why, _ := c.judge(now, r)
	if why == policy.HostMakesRoom {
		return policy.OK
	}
	return why
}

// judge is the answer to a source that asks for room, and what to remember if
// it is given.
func (c *Core) judge(now time.Time, r peer.ReserveRequest) (policy.Reason, policy.State) {
	c.ledger = c.ledger.Unexpired(now)
	if granted, ok := c.ledger.Find(r.Op); ok {
		if granted.From != r.Move.From || granted.Domain != r.Move.Domain {
			return policy.Unauthorized, c.state // somebody else's operation
		}
		return policy.OK, c.state
	}
	if _, here := c.counters(r.Move.Domain); here {
		return policy.AlreadyThere, c.state
	}
	return c.tuning.Policy.Answer(c.View(now, c.heard), c.state, r.Move)
}

// Admit answers a source that asks for room, and books the room in the same
// step if the answer is yes. Asked again for the same operation it gives the
// same answer and books nothing more.
func (c *Core) Admit(now time.Time, r peer.ReserveRequest) policy.Reason {
	why, state := c.judge(now, r)
	c.state = state
	if why != policy.OK {
		return why
	}
	if _, ok := c.ledger.Find(r.Op); ok {
		return policy.OK
	}
	c.ledger = c.ledger.With(policy.Reservation{
		Op: r.Op, Domain: r.Move.Domain, From: r.Move.From, To: r.Move.To,
		Load: r.Move.Booked(), Groups: r.Move.Groups,
		Phase: policy.Reserved, Granted: now, Expires: now.Add(c.tuning.ReserveTTL),
	})
	c.arriving[r.Op] = arrival{domain: r.Move.Domain, from: r.Move.From, handoff: r.Handoff, heard: now}
	return policy.OK
}

// Revoke takes a promise back that could not be written down, and so has not
// been given; unless its source goes by it already.
func (c *Core) Revoke(op policy.OpID) {
	if r, ok := c.ledger.Find(op); ok && r.Phase == policy.Reserved {
		c.ledger = c.ledger.Without(op)
		delete(c.arriving, op)
		c.state = c.state.NoDebt(r.Domain)
	}
}

// Reply answers a source that asks for room, after the checks that take time
// have given their verdict.
func (c *Core) Reply(now time.Time, r peer.ReserveRequest, checked policy.Reason, detail string) peer.ReserveReply {
	reply := peer.ReserveReply{Reason: checked, Detail: detail}
	if checked == policy.OK {
		reply.Reason = c.Admit(now, r)
	}
	reply.Host = c.Self(now)
	return reply
}

// Self is this host as the others are to see it.
func (c *Core) Self(now time.Time) policy.Host {
	return policy.Host{HostFacts: c.facts, HostState: c.HostState(now), Received: now}
}

// Renew keeps a promise alive; false if there is none for who asks.
func (c *Core) Renew(now time.Time, from policy.HostID, op policy.OpID) bool {
	c.ledger = c.ledger.Unexpired(now)
	r, ok := c.ledger.Find(op)
	if !ok || r.From != from {
		return false
	}
	if r.Phase == policy.Reserved {
		r.Phase = policy.Migrating
	}
	r.Expires = later(r.Expires, now.Add(c.tuning.ReserveTTL))
	c.ledger = c.ledger.With(r)
	return true
}

// Ended takes in how an operation that targeted this host has ended. It is true
// if this host had promised the place to who says so, and the domain has
// arrived: then its arrival is to be finished.
func (c *Core) Ended(now time.Time, f peer.FinishRequest) (Arrived, bool) {
	a, ok := c.arriving[f.Op]
	if !ok || a.from != f.Move.From || a.domain != f.Move.Domain {
		return Arrived{}, false
	}
	if f.Result != policy.Succeeded {
		c.ledger = c.ledger.Without(f.Op)
		delete(c.arriving, f.Op)
		c.state = c.state.NoDebt(f.Move.Domain)
		return Arrived{}, false
	}
	if r, ok := c.ledger.Find(f.Op); ok && r.Phase != policy.SettlingIn {
		c.settle(now, r)
	}
	a.handoff = f.Handoff
	c.arriving[f.Op] = a
	return c.arrive(now, f.Op, a), true
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
