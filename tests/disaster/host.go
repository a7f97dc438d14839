package disaster

import (
	"context"
	"time"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// host is one host with its daemon.
type host struct {
	s     *Sim
	name  string
	own   policy.MilliCPU // what the host itself uses
	facts policy.HostFacts
	hv    *fake.Hypervisor
	disk  *disk

	off bool // no power
	// life counts the daemon's processes; up is whether one runs.
	life    int
	up      bool
	started time.Time
	// offset is by how much the clock of this life is wrong.
	offset time.Duration

	core    *balancer.Core
	journal *balancer.Journal
	keeper  *balancer.MemoryKeeper
	drivers map[policy.OpID]*driver

	heard []heard // by the order of the hosts
	told  int
}

// heard is what one host knows of another.
type heard struct {
	host       policy.Host
	life, told int
	ever, now  bool
}

// clock is what the daemon takes for the time.
func (h *host) clock() time.Time { return h.s.world.Now().Add(h.offset) }

// alive reports whether the same daemon still runs.
func (h *host) alive(life int) bool { return h.up && h.life == life }

// later does something unless the daemon has died by then.
func (h *host) later(d time.Duration, do func()) {
	life := h.life
	h.s.after(d, func() {
		if h.alive(life) {
			do()
			h.reap()
		}
	})
}

// reap ends the daemon if it was killed within a call on its disk.
func (h *host) reap() {
	if h.up && h.disk.crashed {
		h.s.tracef("%s killed in the middle of a sync", h.name)
		h.crash()
	}
}

// start begins a life of the daemon, as balancer.New and Run do.
func (h *host) start() {
	if h.up || h.off {
		return
	}
	memory, err := balancer.LoadMemory(h.disk)
	if err != nil {
		h.s.violate("%s cannot start: memory: %v", h.name, err)
		return
	}
	journal, err := balancer.OpenJournalOn(h.disk)
	if err != nil {
		if !h.disk.full {
			h.s.violate("%s cannot start: %v", h.name, err)
		}
		h.s.after(5*time.Second, h.start)
		return
	}
	h.life++
	h.up, h.started = true, h.s.world.Now()
	h.s.tracef("%s starts, life %d, clock %s", h.name, h.life, h.offset)
	h.journal, h.keeper = journal, &balancer.MemoryKeeper{Disk: h.disk}
	h.core = balancer.NewCore(h.facts, h.s.tune, memory)
	h.drivers = map[policy.OpID]*driver{}
	for i := range h.heard {
		h.heard[i].now = false
	}
	for _, o := range journal.Open() {
		h.core.Adopt(o)
		h.drive(o)
	}
	h.later(h.s.within(0, time.Second), h.tick)
}

// crash kills the daemon; someone starts it again.
func (h *host) crash() {
	if !h.up {
		return
	}
	h.up = false
	h.s.r.Crashes++
	h.disk.crash()
	h.drivers = nil
	back := h.s.within(100*time.Millisecond, 10*time.Second)
	if !h.s.calm && h.s.chance(3) {
		back = h.s.within(10*time.Second, 3*time.Minute)
	}
	h.s.tracef("%s crashed, back in %s", h.name, back)
	h.s.after(back, h.start)
}

// hear takes in what another host gossiped.
func (h *host) hear(from *host, life, told int, state policy.HostState) {
	k := &h.heard[from.index()]
	if !h.up || k.now && (k.life > life || k.life == life && k.told >= told) {
		return
	}
	*k = heard{
		host: policy.Host{HostFacts: from.facts, HostState: state, Received: h.clock()},
		life: life, told: told, ever: true, now: true,
	}
}

func (h *host) index() int {
	for i, other := range h.s.hosts {
		if other == h {
			return i
		}
	}
	panic("not a host of this cluster")
}

func (h *host) fleet() balancer.Fleet {
	f := balancer.Fleet{Known: 1}
	for _, k := range h.heard {
		if k.ever {
			f.Known++
		}
		if k.now {
			f.Others = append(f.Others, k.host)
		}
	}
	return f
}

func (h *host) publish() { h.s.gossip(h, h.core.HostState(h.clock())) }

// remember writes the memory down.
func (h *host) remember() error {
	err := h.keeper.Save(h.core.Memory())
	if err != nil {
		h.s.tracef("%s memory not saved: %v", h.name, err)
	}
	return err
}

// tick is one turn of the control loop.
func (h *host) tick() {
	every := h.s.tune.Interval
	h.later(h.s.within(every*95/100, every*105/100), h.tick)
	sample, _ := h.hv.Sample(context.Background()) // the error is in the sample
	sample.At = h.clock()
	turn := h.core.Turn(h.clock(), balancer.Facts{
		Sample: sample, Journal: h.journal.Check(), Fleet: h.fleet(),
	})
	h.publish()
	h.s.check.turn(h, turn)
	for _, a := range turn.Arrived {
		h.later(h.s.latency(), func() { h.finishArrival(a) })
	}
	for _, due := range turn.Audits {
		h.audit(due)
	}
	if turn.Decision.Hold == policy.OK {
		h.begin(turn.Decision.Plan[0])
	}
	_ = h.remember()
}

func (h *host) finishArrival(a balancer.Arrived) {
	_ = h.settle(a)
}

// settle sets what a migration does not carry over.
func (h *host) settle(a balancer.Arrived) error {
	err := h.hv.Settle(context.Background(), a.Domain, a.Handoff)
	h.s.tracef("%s finishes the arrival of %s: %v", h.name, h.s.domainName(a.Domain), err)
	if err == nil {
		h.core.Finished(a.Op)
	}
	return err
}

func (h *host) begin(m policy.Move) {
	id := h.s.newOp()
	h.s.r.Opened++
	h.s.check.record(id, m)
	h.s.tracef("%s opens %s: %s to %s (%s)", h.name, short(id), m.Name, h.s.byID[m.To].name, m.Why)
	h.drive(h.core.Begin(h.clock(), id, m, h.s.byID[m.To].facts.Endpoint))
}

// reserve answers a source, as balancer.Balancer.Reserve does.
func (h *host) reserve(r peer.ReserveRequest, done func(any)) {
	why, detail := h.core.WouldAdmit(h.clock(), r), ""
	answer := func() {
		reply := h.core.Reply(h.clock(), r, why, detail)
		h.s.tracef("%s answers %s: %s %s", h.name, short(r.Op), reply.Reason, reply.Detail)
		h.s.check.granted(h, r, reply)
		if h.s.o.Plant == DoubleGrant && reply.Reason == policy.OK {
			h.core.Ended(h.clock(), peer.FinishRequest{Op: r.Op, Move: r.Move, Result: policy.Failed})
		}
		h.publish()
		if err := h.remember(); err != nil && reply.Reason == policy.OK {
			reply.Reason, reply.Detail = policy.JournalUnwritable, err.Error()
			h.core.Revoke(r.Op)
		}
		if !h.disk.crashed {
			done(reply)
		}
	}
	if why != policy.OK {
		answer()
		return
	}
	h.later(h.s.latency(), func() {
		why, detail = h.hv.Preflight(context.Background(), r.Description)
		for _, id := range h.core.Lapsed(h.clock()) {
			p := h.locate(id)
			if why == policy.OK && !p.Known {
				why, detail = policy.PreflightFailed, "a domain that may be on its way is not located"
			}
			h.core.Found(h.clock(), id, p)
		}
		answer()
	})
}

func (h *host) renew(from policy.HostID, op policy.OpID, done func(any)) {
	held := h.core.Renew(h.clock(), from, op)
	if held {
		h.s.check.heard(op)
	}
	done(held)
}

// finish takes in how an operation ended.
func (h *host) finish(f peer.FinishRequest, done func(any)) {
	a, arrived := h.core.Ended(h.clock(), f)
	h.s.check.heard(f.Op)
	h.s.check.calmed(f.Op)
	h.publish()
	if !arrived {
		done(error(nil))
		return
	}
	h.later(h.s.latency(), func() {
		done(h.settle(a))
	})
}

// audit asks what has become of a move, as balancer.Balancer does.
func (h *host) audit(due balancer.AuditDue) {
	record := func(a policy.Audit) {
		a.At = h.clock()
		err := h.journal.Audited(due.Op, due.Horizon, a)
		h.s.tracef("%s audits %s, %s: %s %s %v", h.name, short(due.Op), due.Horizon, a.Effect, a.Reason, err)
		if !h.disk.crashed {
			h.core.Audited(due)
		}
		h.reap()
	}
	if due.Missed {
		h.later(0, func() { record(policy.Audit{Reason: policy.NoSample}) })
		return
	}
	h.s.call(h, due.Move.To, auditTimeout, func(t *host, done func(any)) {
		done(t.core.Audit(t.clock(), due.Request()))
	}, func(x any, err error) {
		a, _ := x.(policy.Audit)
		if err != nil {
			a = policy.Audit{Reason: policy.Unreachable}
		}
		record(a)
	})
}

// locate asks the local hypervisor.
func (h *host) locate(id policy.DomainID) policy.Presence {
	p, err := h.hv.Locate(context.Background(), id)
	if err != nil {
		return policy.Presence{}
	}
	return p
}

func short(id policy.OpID) string { return "op" + string(id[len(id)-4:]) }

// write is what drivers put into the journal, with what follows.
func (h *host) write(o operation.Operation) error {
	err := h.journal.Append(o)
	h.s.tracef("%s journal %s %s %s %v", h.name, short(o.ID), o.Phase, o.Outcome.Reason, err)
	if err == nil && !o.Phase.Closed() {
		h.core.Advanced(h.clock(), o)
	}
	return err
}
