package disaster

import (
	"context"
	"errors"
	"time"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// What the daemon waits for an answer.
const (
	locateTimeout = 10 * time.Second
	tellTimeout   = 30 * time.Second
	auditTimeout  = 10 * time.Second
)

// driver carries one operation out, as Balancer.drive does: action, answer,
// next.
type driver struct {
	h      *host
	o      operation.Operation
	action operation.Action
	// attending counts the migrations attended, so that the vigil of one ends
	// with it.
	attending int
	vigil     balancer.Vigil
}

func (h *host) drive(o operation.Operation) {
	d := &driver{h: h}
	h.drivers[o.ID] = d
	d.o, d.action = o.First(h.clock())
	h.later(0, d.perform)
}

// answer takes in the event that answers the last action. The daemon may be
// killed by any disk access within, and right after.
func (d *driver) answer(e operation.Event) {
	h, s := d.h, d.h.s
	before := d.o
	d.o, d.action = d.o.Step(h.clock(), e, h.write)
	if h.disk.crashed {
		return // reaped by the caller
	}
	if s.o.Plant == ActOnUnknown && d.o.Phase == operation.Unknown && d.action == operation.Wait && d.o.Tries > 1 {
		d.action = operation.Migrate
	}
	if d.o.Alarm() != before.Alarm() && !d.o.Phase.Closed() {
		h.core.Advanced(h.clock(), d.o)
	}
	s.check.advanced(h, before, d.o, d.action)
	if !s.calm && s.chance(s.o.Scenario.crashOdds()) {
		s.tracef("%s killed before %s of %s", h.name, d.action, short(d.o.ID))
		h.crash()
		return
	}
	if d.action == operation.Stop {
		h.core.Advanced(h.clock(), d.o)
		delete(h.drivers, d.o.ID)
		s.check.closed(h, d.o)
		return
	}
	d.perform()
}

func (d *driver) perform() {
	h, s, o := d.h, d.h.s, d.o
	ctx := context.Background()
	if d.action == operation.Stop { // nothing was left to do
		return
	}
	s.tracef("%s %s %s: %s", h.name, short(o.ID), o.Phase, d.action)
	switch d.action {
	case operation.Describe:
		h.later(s.latency(), func() {
			x, err := h.hv.Describe(ctx, o.Move.Domain)
			x.Source = h.facts
			handoff := hypervisor.Handoff{Autostart: x.Autostart, History: h.core.Leaving(h.clock(), o.Move.Domain, o.Move.Why)}
			d.answer(operation.Described{Description: x, Handoff: handoff, Err: err})
		})

	case operation.Reserve:
		r := peer.ReserveRequest{Op: o.ID, Move: o.Move, Description: o.Description, Handoff: o.Handoff}
		d.ask(balancer.ReserveTimeout(s.tune.ReserveTTL), func(t *host, done func(any)) { t.reserve(r, done) }, func(x any, err error) {
			reply, _ := x.(peer.ReserveReply)
			d.answer(operation.Answered{Reply: reply, Err: err})
		})

	case operation.Recheck:
		why := h.core.Recheck(h.clock(), o)
		h.later(0, func() { d.answer(operation.Rechecked{Reason: why}) })

	case operation.Migrate:
		s.check.begin(h, o)
		attempt, err := s.world.Begin(h.name, s.move.Transfer(o))
		if err != nil {
			panic(err) // the world knows all hosts
		}
		s.r.Begun++
		d.attend(attempt)

	case operation.Watch:
		if attempt, ok := s.world.Attach(h.name, o.Move.Domain); ok {
			d.attend(attempt)
			return
		}
		outcome := h.hv.Watch(ctx, o.Move.Domain, nil) // no migration runs, so it returns
		h.later(s.latency(), func() { d.answer(operation.Ended{Outcome: outcome}) })

	case operation.Locate:
		d.locate()

	case operation.Tell:
		f := peer.FinishRequest{Op: o.ID, Move: o.Move, Result: o.Outcome.Result, Handoff: o.Handoff}
		d.ask(tellTimeout, func(t *host, done func(any)) { t.finish(f, done) }, func(x any, err error) {
			if refused, ok := x.(error); ok {
				err = refused
			}
			d.answer(operation.Told{Err: err})
		})

	default:
		h.later(o.Delay(), func() { d.answer(operation.Waited{}) })
	}
}

// ask puts a question to the target.
func (d *driver) ask(timeout time.Duration, serve func(*host, func(any)), answer func(any, error)) {
	h := d.h
	h.s.call(h, d.o.Move.To, timeout, func(t *host, done func(any)) {
		serve(t, done)
		t.reap()
	}, func(x any, err error) {
		answer(x, err)
		h.reap()
	})
}

// attend waits for the end of a migration and keeps vigil meanwhile.
func (d *driver) attend(attempt *fake.Attempt) {
	h, s := d.h, d.h.s
	life := h.life
	d.attending++
	d.vigil = balancer.NewVigil(h.clock(), d.o, s.move, s.tune.ReserveTTL)
	d.keepVigil(d.attending)
	attempt.Then(func(outcome policy.Outcome) {
		s.after(s.latency(), func() {
			if h.alive(life) {
				s.tracef("%s %s ended: %s %s", h.name, short(d.o.ID), outcome.Result, outcome.Reason)
				d.attending++
				d.answer(operation.Ended{Outcome: d.vigil.Claim(outcome)})
				h.reap()
			}
		})
	})
}

func (d *driver) keepVigil(attending int) {
	h, s := d.h, d.h.s
	h.later(d.vigil.Next().Sub(h.clock()), func() {
		if d.attending != attending {
			return
		}
		abort, renew := d.vigil.Due(h.clock())
		if abort {
			h.later(s.latency(), func() {
				err := h.hv.Abort(context.Background(), d.o.Move.Domain)
				s.tracef("%s %s abort: %v", h.name, short(d.o.ID), err)
			})
		}
		if renew {
			d.renew(s.tune.ReserveTTL/3, func(error) {})
		}
		d.keepVigil(attending)
	})
}

var errNotHeld = errors.New("the target knows no such operation")

// renew asks the target to keep its promise.
func (d *driver) renew(timeout time.Duration, answer func(error)) {
	from, op := d.h.facts.ID, d.o.ID
	d.ask(timeout, func(t *host, done func(any)) { t.renew(from, op, done) }, func(x any, err error) {
		if held, _ := x.(bool); err == nil && !held {
			err = errNotHeld
		}
		answer(err)
	})
}

// locate asks both hosts at once.
func (d *driver) locate() {
	h, s := d.h, d.h.s
	var l operation.Located
	open := 2
	answered := func() {
		if open--; open == 0 {
			s.tracef("%s %s located: %s | %s", h.name, short(d.o.ID), presence(l.Source), presence(l.Target))
			d.answer(l)
		}
	}
	h.later(s.latency(), func() {
		l.Source = h.locate(d.o.Move.Domain)
		answered()
	})
	from, q := h.facts.ID, balancer.LocateRequest(d.o)
	d.ask(locateTimeout, func(t *host, done func(any)) {
		if q.Alarm != nil && t.core.Alarmed(t.clock(), from, q.Domain, *q.Alarm) {
			s.tracef("%s hears of the alarm of %s: %s", t.name, short(q.Alarm.Op), q.Alarm.Reason)
			t.publish()
			s.check.told(t, q.Alarm.Op, t.remember())
		}
		t.later(s.latency(), func() { done(t.locate(q.Domain)) })
	}, func(x any, _ error) {
		l.Target, _ = x.(policy.Presence)
		answered()
	})
}

func presence(p policy.Presence) string {
	switch {
	case !p.Known:
		return "?"
	case p.Active:
		return p.State.String() + "/" + p.Job.String()
	case p.Defined:
		return "defined"
	default:
		return "absent"
	}
}
