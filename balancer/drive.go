package balancer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// How long one question may take.
const (
	describeTimeout = 15 * time.Second
	locateTimeout   = 10 * time.Second
	tellTimeout     = 30 * time.Second
	abortTimeout    = 10 * time.Second
)

// ReserveTimeout is how long a source waits for a promise that lives for ttl, the
// target's pre-flight checks included. It does not know when within that time the
// promise was given, so it takes it for as old as its question: of an answer that
// comes later than this the promise might end before it is first renewed.
func ReserveTimeout(ttl time.Duration) time.Duration {
	return min(30*time.Second, ttl-ttl/renewals)
}

// drive carries one operation out: action, answer, next. What the operation
// does and why is said by package operation; here it only happens.
//
// When ctx ends it returns at once, wherever it is; the journal knows.
func (b *Balancer) drive(ctx context.Context, o operation.Operation) {
	log := b.log.With("op", o.ID, "domain", o.Move.Name, "to", o.Move.To)
	o, action := o.First(time.Now())
	for action != operation.Stop {
		log.Debug("operation", "phase", o.Phase.String(), "action", action.String())
		event := b.perform(ctx, o, action)
		if ctx.Err() != nil {
			return
		}
		was := o.Alarm()
		o, action = o.Step(time.Now(), event, func(o operation.Operation) error { return b.record(ctx, o) })
		if o.Alarm() != was && !o.Phase.Closed() { // that follows
			b.alarm(ctx, o)
		}
	}
	b.advanced(ctx, o)
	b.hurryAfter(ctx, o.Outcome.Result)
	level := log.Info
	if o.Outcome.Result != policy.Succeeded && !o.Begun.IsZero() {
		level = log.Warn
	}
	level("move ended", "result", o.Outcome.Result.String(), "reason", o.Outcome.Reason.String(),
		"detail", o.Outcome.Detail, "duration", o.Outcome.Duration, "downtime", o.Outcome.Downtime)
}

// record writes the operation to the journal, and then lets the core know.
func (b *Balancer) record(ctx context.Context, o operation.Operation) error {
	err := b.o.Journal.Append(o)
	b.o.Observer.JournalWritten(err)
	if err != nil {
		b.log.Error("journal not written", "op", o.ID, "phase", o.Phase.String(), "err", err)
	} else {
		failpoint(o.Phase.String())
	}
	if err == nil && !o.Phase.Closed() {
		b.advanced(ctx, o)
	}
	return err
}

// alarm lets the core know of an alarm, or that it has changed, whether or not
// the journal could be written.
func (b *Balancer) alarm(ctx context.Context, o operation.Operation) {
	b.advanced(ctx, o)
	if alarm := o.Alarm(); alarm != policy.OK {
		b.log.Error("a person must look: it is not established where the domain runs", "op", o.ID,
			"domain", o.Move.Name, "uuid", o.Move.Domain, "reason", alarm.String(), "from", o.Move.From, "to", o.Move.To)
	}
}

func (b *Balancer) advanced(ctx context.Context, o operation.Operation) {
	b.o.Observer.Advanced(o)
	if o.Phase.Closed() {
		b.progress.clear(o.ID)
	}
	// The owner outlives the drivers, so this ends only with it.
	_ = b.ask(context.WithoutCancel(ctx), func(c *Core) { c.Advanced(time.Now(), o) })
}

// perform does one action and returns its answer.
func (b *Balancer) perform(ctx context.Context, o operation.Operation, a operation.Action) operation.Event {
	switch a {
	case operation.Describe:
		ctx, cancel := context.WithTimeout(ctx, describeTimeout)
		defer cancel()
		d, err := b.o.Hypervisor.Describe(ctx, o.Move.Domain)
		d.Source = b.o.Facts
		return operation.Described{Description: d, Handoff: b.handoff(ctx, o.Move, d.Autostart), Err: err}

	case operation.Reserve:
		ctx, cancel := context.WithTimeout(ctx, ReserveTimeout(b.tuning.Load().ReserveTTL))
		defer cancel()
		reply, err := b.o.Peers.Reserve(ctx, o.Target, peer.ReserveRequest{
			Op: o.ID, Move: o.Move, Description: o.Description, Handoff: o.Handoff,
		})
		return operation.Answered{Reply: reply, Err: err}

	case operation.Recheck:
		why := policy.Cancelled
		_ = b.ask(ctx, func(c *Core) { why = c.Recheck(time.Now(), o) })
		return operation.Rechecked{Reason: why}

	case operation.Migrate:
		b.log.Info("migration starts", "op", o.ID, "domain", o.Move.Name, "to", o.Move.To,
			"predicted", o.Move.Duration, "deadline", b.o.Transfer.deadline(o.Move))
		return operation.Ended{Outcome: b.attend(ctx, o, func(ctx context.Context, progress func(policy.Progress)) policy.Outcome {
			return b.o.Hypervisor.Migrate(ctx, b.o.Transfer.Transfer(o), progress)
		})}

	case operation.Watch:
		return operation.Ended{Outcome: b.attend(ctx, o, func(ctx context.Context, progress func(policy.Progress)) policy.Outcome {
			return b.o.Hypervisor.Watch(ctx, o.Move.Domain, progress)
		})}

	case operation.Locate:
		return b.locate(ctx, o)

	case operation.Tell:
		ctx, cancel := context.WithTimeout(ctx, tellTimeout)
		defer cancel()
		err := b.o.Peers.Finish(ctx, o.Target, o.Move.To, peer.FinishRequest{
			Op: o.ID, Move: o.Move, Result: o.Outcome.Result, Handoff: o.Handoff,
		})
		return operation.Told{Err: err}

	default: // Wait
		sleep(ctx, o.Delay())
		return operation.Waited{}
	}
}

// handoff is what the target is to set on the domain.
func (b *Balancer) handoff(ctx context.Context, m policy.Move, autostart bool) hypervisor.Handoff {
	h := hypervisor.Handoff{Autostart: autostart}
	_ = b.ask(ctx, func(c *Core) { h.History = c.Leaving(time.Now(), m.Domain, m.Why) })
	return h
}

// attend runs a migration and meanwhile keeps its promise alive and its
// deadline. At the deadline it asks for an abort; what came of that is for the
// outcome to tell.
func (b *Balancer) attend(ctx context.Context, o operation.Operation, migrate func(context.Context, func(policy.Progress)) policy.Outcome) policy.Outcome {
	ended := make(chan policy.Outcome, 1)
	var attending sync.WaitGroup
	attending.Go(func() {
		ended <- migrate(ctx, func(p policy.Progress) {
			b.progress.set(o.ID, p)
			b.o.Observer.Progress(p)
		})
	})
	defer attending.Wait()

	ttl := b.tuning.Load().ReserveTTL
	vigil := NewVigil(time.Now(), o, b.o.Transfer, ttl)
	due := time.NewTimer(time.Until(vigil.Next()))
	defer due.Stop()
	for {
		select {
		case outcome := <-ended:
			return vigil.Claim(outcome)
		case <-due.C:
		}
		abort, renew := vigil.Due(time.Now())
		if abort {
			b.log.Warn("migration is past its deadline: aborting it", "op", o.ID, "domain", o.Move.Name)
			attending.Go(func() { b.abort(ctx, o) })
		}
		if renew {
			attending.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, ttl/renewals)
				defer cancel()
				if err := b.o.Peers.Renew(ctx, o.Target, o.Move.To, o.ID); err != nil {
					b.log.Debug("promise not renewed", "op", o.ID, "err", err)
				}
			})
		}
		due.Reset(time.Until(vigil.Next()))
	}
}

func (b *Balancer) abort(ctx context.Context, o operation.Operation) {
	ctx, cancel := context.WithTimeout(ctx, abortTimeout)
	defer cancel()
	if err := b.o.Hypervisor.Abort(ctx, o.Move.Domain); err != nil {
		b.log.Warn("migration not aborted", "op", o.ID, "domain", o.Move.Name, "err", err)
	}
}

// LocateRequest asks the target of an operation where the domain is.
func LocateRequest(o operation.Operation) peer.LocateRequest {
	r := peer.LocateRequest{Domain: o.Move.Domain}
	if operation.Grave(o.Alarm()) {
		r.Alarm = &peer.Alarm{Op: o.ID, Name: o.Move.Name, Reason: o.Alarm()}
	}
	return r
}

// locate asks both hosts at once. One that does not answer is not known.
func (b *Balancer) locate(ctx context.Context, o operation.Operation) operation.Located {
	ctx, cancel := context.WithTimeout(ctx, locateTimeout)
	defer cancel()
	var l operation.Located
	var both sync.WaitGroup
	both.Go(func() {
		p, err := b.o.Hypervisor.Locate(ctx, o.Move.Domain)
		if err == nil {
			l.Source = p
		}
	})
	both.Go(func() {
		p, err := b.o.Peers.Locate(ctx, o.Target, o.Move.To, LocateRequest(o))
		if err == nil {
			l.Target = p
		} else {
			b.log.Debug("target does not say where the domain is", "op", o.ID, "err", err)
		}
	})
	both.Wait()
	return l
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// progressBoard holds how far the running migrations have come.
type progressBoard struct {
	mu sync.Mutex
	at map[policy.OpID]policy.Progress
}

func (b *progressBoard) set(op policy.OpID, p policy.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.at = map[policy.OpID]policy.Progress{}
	}
	b.at[op] = p
}

func (b *progressBoard) get(op policy.OpID) (policy.Progress, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.at[op]
	return p, ok
}

func (b *progressBoard) clear(op policy.OpID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.at, op)
}

// atomicTime is a time that may be read and written concurrently.
type atomicTime struct{ nanos atomic.Int64 }

func (a *atomicTime) set(t time.Time) { a.nanos.Store(t.UnixNano()) }
func (a *atomicTime) get() time.Time  { return time.Unix(0, a.nanos.Load()) }
