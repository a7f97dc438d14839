package disaster

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// checker compares what the daemons do with what the world is.
type checker struct {
	s   *Sim
	ops map[policy.OpID]*record
	// hands is when a person or the guest itself last changed where a domain is
	// or whether it runs.
	hands map[policy.DomainID]time.Time
	// dark is when a host last lost power, by name.
	dark map[string]time.Time
	// wrong is by how much the clocks of two hosts may differ.
	wrong time.Duration
	// moved is when the last move succeeded.
	moved time.Time
}

// record is one operation as the world sees it, in true time.
type record struct {
	id       policy.OpID
	from, to *host
	domain   policy.DomainID
	opened   time.Time
	begun    time.Time // zero: the migration was never begun
	granted  bool
	// autostart is what the source said of the domain.
	autostart bool
	// split: the domain was found on both hosts; then neither answer is the truth.
	split bool
	// told is in which life the target was told of the alarm of the operation;
	// -1 is in all, for it has written it down.
	told int
	// heard is when the target last heard of the operation.
	heard time.Time
	// lapsed are the operations whose migrations had been asked for, of which the
	// target had heard nothing for a TTL, and of which nothing was to be seen when
	// it gave this one its promise: silence frees room.
	lapsed map[policy.OpID]bool
	// settling is since when this life of the target has counted the domain as
	// arrived.
	settling time.Time
	life     int
}

func (c *checker) init(s *Sim) {
	*c = checker{
		s: s, ops: map[policy.OpID]*record{}, hands: map[policy.DomainID]time.Time{}, dark: map[string]time.Time{},
		wrong: 2 * time.Second,
	}
}

func (c *checker) now() time.Time { return c.s.world.Now() }

func (c *checker) record(o policy.OpID, m policy.Move) *record {
	r := c.ops[o]
	if r == nil {
		r = &record{id: o, from: c.s.byID[m.From], to: c.s.byID[m.To], domain: m.Domain, opened: c.now()}
		c.ops[o] = r
	}
	return r
}

func (c *checker) jumped(by time.Duration)    { c.wrong = max(c.wrong, 2*by.Abs()) }
func (c *checker) touched(id policy.DomainID) { c.hands[id] = c.now() }

func (c *checker) heard(op policy.OpID) {
	if r := c.ops[op]; r != nil {
		r.heard = c.now()
	}
}

// told: the target knows of the alarm.
func (c *checker) told(h *host, op policy.OpID, saved error) {
	if r := c.ops[op]; saved == nil {
		r.told = -1
	} else if r.told == 0 {
		r.told = h.life
	}
}

// calmed: the target has heard that the operation has ended. Its source may yet
// be killed before it can write that down, and call for a person once more.
func (c *checker) calmed(op policy.OpID) {
	if r := c.ops[op]; r != nil {
		r.told = 0
	}
}

// alarmed reports whether a daemon has called for a person to look at a domain
// before anything is done with it.
func (c *checker) alarmed(id policy.DomainID) bool {
	for _, h := range c.s.hosts {
		for _, d := range h.drivers {
			if d.o.Move.Domain == id && d.o.Alarm() != policy.OK && d.o.Alarm() != policy.NotLocated {
				return true
			}
		}
	}
	return false
}

// world: no domain runs twice or nowhere but by a fault that says so, and no
// host is given more than it has memory for.
func (c *checker) world() {
	if v := c.s.world.Violations(); len(v) > 0 {
		c.s.violate("%s", v[0])
	}
}

// granted: used and promised load are within the limits when a promise is given.
func (c *checker) granted(h *host, q peer.ReserveRequest, reply peer.ReserveReply) {
	r := c.record(q.Op, q.Move)
	r.heard = c.now()
	for _, other := range c.ops { // it looks for them right before it grants
		if other.to == h && h.locate(other.domain).Job == policy.MigratingIn {
			other.heard = c.now()
		}
	}
	if reply.Reason != policy.OK {
		c.s.r.Refused++
		return
	}
	if r.granted {
		return
	}
	r.granted = true
	limits := c.s.tune.Policy
	cpu, memory := reply.Host.Utilization(policy.CPU), reply.Host.Utilization(policy.Memory)
	receive := limits.Marks.Receive
	if q.Move.Back != nil || q.Move.Why == policy.Swap {
		receive = limits.Marks.Stop // for as long as an exchange takes
		c.s.r.Swaps++
	}
	if cpu > receive || memory > limits.MemoryReceive || reply.Host.Inbound > limits.MaxInbound {
		c.s.violate("%s grants %s and is then at cpu %s, memory %s, %d inbound", h.name, short(q.Op), cpu, memory, reply.Host.Inbound)
	}
	if lacking, ok := c.s.lacks(h, q.Move.Domain); ok {
		c.s.violate("%s grants %s and lacks the label %s", h.name, short(q.Op), lacking)
	}
	c.overlooked(h, r)
	if c.s.o.Scenario.Overloaded > 0 {
		c.crest(h, q.Move)
	}
	if reply.Host.Flags.Has(policy.Blind) {
		c.s.violate("%s grants %s and does not know its own load", h.name, short(q.Op))
	}
}

// overlooked: whoever is on the way to a host is known to it when it gives a
// promise, though the promise it had given to that one has ended.
func (c *checker) overlooked(h *host, granted *record) {
	ledger := h.core.View(h.clock(), h.fleet()).Ledger
	coming := map[policy.OpID]bool{}
	for _, other := range c.running() {
		coming[other.id] = h.hosts(other.domain, policy.MigratingIn)
	}
	granted.lapsed = map[policy.OpID]bool{}
	for _, id := range slices.Sorted(maps.Keys(c.ops)) {
		other := c.ops[id]
		if _, promised := ledger.Find(id); promised || other.to != h || other.begun.IsZero() {
			continue
		}
		if coming[id] {
			c.s.violate("%s grants %s and overlooks %s, which is on its way", h.name, short(granted.id), short(id))
		}
		granted.lapsed[id] = c.now().Sub(other.heard) >= c.s.tune.ReserveTTL
	}
}

// crest: what the host in truth runs and has promised, where loads are constant
// and so no estimate can be late, is within the receive mark. A hundredth is for
// what a migration itself costs while it is measured.
func (c *checker) crest(h *host, m policy.Move) {
	demand := c.s.truth[m.Domain]
	for _, r := range c.s.world.Report().Hosts {
		if r.Name == h.name {
			demand += h.own
			for _, d := range r.Domains {
				if d.Job != policy.MigratingIn {
					demand += c.s.truth[fake.DomainID(d.Name)]
				}
			}
		}
	}
	for _, p := range h.core.View(h.clock(), h.fleet()).Ledger {
		if p.To == h.facts.ID && p.Phase != policy.SettlingIn && p.Domain != m.Domain {
			demand += c.s.truth[p.Domain]
		}
	}
	share := policy.Load{CPU: demand}.Share(policy.CPU, h.facts.Capacity)
	c.s.r.Crest = max(c.s.r.Crest, share)
	if share > c.s.tune.Policy.Marks.Receive+0.01 {
		c.s.violate("%s grants %s and is then in truth committed to %s", h.name, m.Name, share)
	}
}

// begin: a migration begins once, after the journal says so on disk, within the
// limits of both hosts, and not within the cooldown of the domain.
func (c *checker) begin(h *host, o operation.Operation) {
	r := c.record(o.ID, o.Move)
	switch {
	case o.Phase != operation.Started:
		c.s.violate("%s begins to migrate %s in phase %s", h.name, short(o.ID), o.Phase)
	case !r.begun.IsZero():
		c.s.violate("%s begins to migrate %s a second time", h.name, short(o.ID))
	}
	if c.s.rulesOf(o.Move.Domain).Pin {
		c.s.violate("%s begins to migrate %s, which is pinned", h.name, o.Move.Name)
	}
	for _, p := range []operation.Phase{operation.Intent, operation.Reserved, operation.Started} {
		if !c.onDisk(h, o.ID, p) {
			c.s.violate("%s begins to migrate %s, and %s is not durable", h.name, short(o.ID), p)
		}
	}
	running := c.running()
	in, out := 0, 0
	for _, other := range running {
		// One whose half on the target is gone will not arrive.
		connecting := c.now().Sub(other.begun) < time.Second
		if other.to == r.to && (connecting || other.to.hosts(other.domain, policy.MigratingIn)) {
			if r.lapsed[other.id] {
				c.s.r.Late++
			} else {
				in++
			}
		}
		if other.from == h {
			out++
		}
	}
	limits := c.s.tune.Policy
	if in >= limits.MaxInbound {
		c.s.violate("%s begins to migrate %s to %s, which already takes %d in", h.name, short(o.ID), r.to.name, in)
	}
	if out >= limits.MaxOutbound {
		c.s.violate("%s begins to migrate %s, and already gives %d away", h.name, short(o.ID), out)
	}
	// Where it has not come by that move, or a person has had a hand in it since,
	// the domain is a copy that knows nothing of the move. A broken rule waits for
	// no cooldown.
	if last, ok := c.lastMove(o.Move.Domain); ok && o.Move.Why != policy.RuleBroken && last.To == h.name && !c.hands[r.domain].After(last.Began) {
		if since := c.now().Sub(last.Ended); since < limits.Cooldown-c.wrong {
			c.s.violate("%s begins to migrate %s %s after it was moved to %s", h.name, o.Move.Name, since, last.To)
		}
	}
	r.begun = c.now()
	r.autostart = o.Description.Autostart
}

// running are the operations whose migrations the world shows.
func (c *checker) running() []*record {
	type job struct{ host, domain string }
	jobs := map[job]bool{}
	for _, h := range c.s.world.Report().Hosts {
		for _, d := range h.Domains {
			if d.Job == policy.MigratingOut {
				jobs[job{h.Name, d.Name}] = true
			}
		}
	}
	newest := map[job]*record{}
	for _, r := range c.ops {
		j := job{r.from.name, c.s.domainName(r.domain)}
		if !r.begun.IsZero() && jobs[j] && c.hands[r.domain].Before(r.begun) &&
			(newest[j] == nil || newest[j].begun.Before(r.begun)) {
			newest[j] = r
		}
	}
	var running []*record
	for _, r := range newest {
		running = append(running, r)
	}
	return running
}

// hosts reports whether the host has an instance of the domain with that job,
// as far as its hypervisor can be asked.
func (h *host) hosts(id policy.DomainID, job policy.Job) bool {
	p := h.locate(id)
	return p.Active && p.Job == job
}

// lastMove is the newest move of a domain that arrived and was ours.
func (c *checker) lastMove(id policy.DomainID) (last fake.MigrationRecord, ok bool) {
	name := c.s.domainName(id)
	for _, m := range c.s.world.Migrations() {
		if m.Domain == name && m.Arrived && !m.Foreign {
			last, ok = m, true
		}
	}
	return last, ok
}

// movedOn reports whether the domain arrived, and was then moved on from there.
func (c *checker) movedOn(r *record) bool {
	last, ok := c.lastMove(r.domain)
	return ok && last.From == r.to.name && last.Began.After(r.begun)
}

// onDisk reports whether the durable journal says that an operation was in a
// phase.
func (c *checker) onDisk(h *host, id policy.OpID, p operation.Phase) bool {
	f := h.disk.files["journal"]
	if f == nil {
		return false
	}
	for line := range bytes.Lines(f.durable) {
		_, data, _ := bytes.Cut(line, []byte(" "))
		if !bytes.Contains(data, []byte(id)) {
			continue
		}
		var o struct {
			ID    policy.OpID     `json:"op"`
			Phase operation.Phase `json:"phase"`
		}
		if json.Unmarshal(data, &o) == nil && o.ID == id && o.Phase == p {
			return true
		}
	}
	return false
}

// advanced: an operation whose outcome is unknown asks, waits, and does nothing
// else.
func (c *checker) advanced(h *host, _, o operation.Operation, a operation.Action) {
	r := c.record(o.ID, o.Move)
	r.split = r.split || o.Outcome.Reason == policy.Duplicated
	if o.Phase != operation.Unknown {
		return
	}
	switch a {
	case operation.Locate, operation.Wait, operation.Watch, operation.Tell:
	default:
		c.s.violate("%s: the outcome of %s is unknown, and it wants to %s", h.name, short(o.ID), a)
	}
}

// closed: what an operation says of its end is what the world has seen.
func (c *checker) closed(h *host, o operation.Operation) {
	r := c.record(o.ID, o.Move)
	switch o.Outcome.Result {
	case policy.Succeeded:
		c.s.r.Succeeded++
		c.moved = c.now()
	default:
		c.s.r.Failed++
	}
	if !o.Phase.Closed() {
		c.s.violate("%s stops driving %s in phase %s", h.name, short(o.ID), o.Phase)
	}
	if r.begun.IsZero() || r.split || c.hands[r.domain].After(r.opened) {
		return
	}
	arrived, ended, split := false, false, false
	name := c.s.domainName(r.domain)
	for _, m := range c.s.world.Migrations() {
		if m.Domain == name && m.From == h.name && !m.Foreign && !m.Began.Before(r.begun) {
			arrived, ended = m.Arrived, true
			if c.dark[m.To].After(m.Ended) || m.Split && c.dark[m.From].After(m.Ended) {
				return // one of them has perhaps died since, unseen
			}
			split = m.Split
		}
	}
	switch {
	case !ended:
		c.s.violate("%s closes %s as %s, and the migration goes on", h.name, short(o.ID), o.Phase)
	case split:
		c.s.violate("%s closes %s as %s, and the domain ran on both hosts", h.name, short(o.ID), o.Phase)
	case arrived != (o.Outcome.Result == policy.Succeeded):
		c.s.violate("%s closes %s as %s, and that it arrived is %t", h.name, short(o.ID), o.Phase, arrived)
	}
}

// turn: promises do not outlive silence, and while a person is called for, both
// hosts are frozen.
func (c *checker) turn(h *host, t balancer.Turn) {
	tune := c.s.tune
	for _, r := range c.ops {
		d := r.from.drivers[r.id]
		knows := r.from == h || r.to == h && (r.told == -1 || r.told == h.life)
		if d != nil && knows && operation.Grave(d.o.Alarm()) && !t.View.Hosts[0].Flags.Has(policy.Frozen) {
			c.s.violate("%s is not frozen, and a person must look at %s: %s", h.name, short(r.id), d.o.Alarm())
			return
		}
	}
	for _, p := range t.View.Ledger {
		r := c.ops[p.Op]
		if p.From == h.facts.ID {
			if h.drivers[p.Op] == nil {
				c.s.violate("%s counts on %s, which has ended", h.name, short(p.Op))
			}
			continue
		}
		if r == nil {
			c.s.violate("%s has promised %s, which nobody has asked for", h.name, short(p.Op))
			return
		}
		switch {
		case p.Phase == policy.SettlingIn:
			if r.settling.IsZero() || r.life != h.life {
				r.settling, r.life = c.now(), h.life
			}
			if c.now().Sub(r.settling) > 3*tune.TimeConstant+tune.Interval {
				c.s.violate("%s still settles %s in, %s after it arrived", h.name, short(p.Op), c.now().Sub(r.settling))
			}
		case h.locate(p.Domain).Job == policy.MigratingIn:
			r.heard = c.now()
		case c.now().Sub(h.started) <= tune.ReserveTTL+2*tune.Interval:
			// A daemon that was away gives what it remembers one TTL.
		case c.now().Sub(r.heard) > tune.ReserveTTL+2*tune.Interval:
			c.s.violate("%s still keeps its promise to %s, %s after it last heard of it", h.name, short(p.Op), c.now().Sub(r.heard))
		}
	}
}
