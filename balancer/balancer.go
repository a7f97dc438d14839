package balancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/virtbalance/virtbalance/policy"
)

// Balancer is the daemon without its process: it samples, decides, moves and
// answers.
//
// One goroutine owns the Core. Everybody else hands it a function to run.
type Balancer struct {
	o    Options
	log  *slog.Logger
	core *Core
	// tuning is the configuration in force; Retune replaces it.
	tuning atomic.Pointer[Tuning]

	questions chan func(*Core)
	// orders are what persons have the loop do between two ticks.
	orders chan func(context.Context)
	// hurry has the next tick come soon: something has changed that the policy
	// should hear of.
	hurry chan struct{}
	// drivers are the goroutines that carry operations out.
	drivers sync.WaitGroup

	progress progressBoard
	// reports are for those who ask this daemon about the other hosts.
	reports *reports
	// timeline and decisions are what people see of the past.
	timeline  timeline
	decisions decisionLog
	started   time.Time
	// ticked is when the control loop last came round.
	ticked atomicTime
	// lastLogged is what the last decision looked like in the log.
	lastLogged string
	// lastShadow is how the shadow disagreed last.
	lastShadow policy.Disagreement
	recorder   recorder
	// remembering is held from asking for the memory until it is on disk, so
	// that an older one never replaces a newer.
	remembering sync.Mutex
	// relabelling is held while the labels change: what the others are told and
	// what is in force change together.
	relabelling sync.Mutex
	// ruling is held while the rules of a domain change.
	ruling sync.Mutex
	memory *MemoryKeeper
}

// New returns a Balancer that does nothing until Run.
func New(o Options) (*Balancer, error) {
	memory, err := LoadMemory(directory(o.StateDir))
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", o.StateDir, err)
	}
	b := &Balancer{
		o: o, log: o.Log,
		core:      NewCore(o.Facts, o.Tuning, memory),
		questions: make(chan func(*Core)),
		reports:   newReports(),
		orders:    make(chan func(context.Context)),
		hurry:     make(chan struct{}, 1),
		started:   time.Now(),
		memory:    &MemoryKeeper{Disk: directory(o.StateDir)},
		recorder:  recorder{dir: filepath.Join(o.StateDir, recordDir)},
	}
	b.tuning.Store(&o.Tuning)
	return b, nil
}

// Retune puts a changed configuration in force, from the next tick on.
func (b *Balancer) Retune(ctx context.Context, t Tuning) error {
	b.tuning.Store(&t)
	return b.ask(ctx, func(c *Core) { c.Retune(t) })
}

// Run balances until ctx ends. Migrations that run then go on without us; they
// are in the journal, and the next life takes them up.
func (b *Balancer) Run(ctx context.Context) error {
	owned, release := context.WithCancel(context.WithoutCancel(ctx))
	g, ctx := errgroup.WithContext(ctx)
	var owner sync.WaitGroup
	owner.Go(func() { b.own(owned) })

	// An earlier life may have changed the labels.
	if _, err := b.relabel(ctx, func(l Labels) ([]string, LabelChanges) { return l.Configured, l.Changes }); err != nil {
		b.log.Warn("the labels of an earlier life are not told to the others", "err", err)
	}
	b.resume(ctx)
	g.Go(func() error { return b.loop(ctx) })
	err := g.Wait()
	b.drivers.Wait()      // they return soon after ctx has ended
	_ = b.remember(owned) // logged
	release()
	owner.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// own runs the functions that are handed to the owner, one at a time.
func (b *Balancer) own(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-b.questions:
			f(b.core)
		}
	}
}

// ask has the owner run f and waits for it.
func (b *Balancer) ask(ctx context.Context, f func(*Core)) error {
	done := make(chan struct{})
	select {
	case b.questions <- func(c *Core) { defer close(done); f(c) }:
		<-done // the owner never blocks
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loop samples and decides, at once and then each interval; sooner when there
// is reason to hurry.
func (b *Balancer) loop(ctx context.Context) error {
	const soon = 500 * time.Millisecond // bounds what hurrying can cost
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case order := <-b.orders:
			order(ctx)
			continue
		case <-b.hurry:
			if time.Until(next) > soon {
				next = time.Now().Add(soon)
				timer.Reset(soon)
			}
			continue
		case <-timer.C:
		}
		next = time.Now().Add(b.interval())
		timer.Reset(time.Until(next))
		if err := b.tick(ctx); err != nil {
			return err
		}
		b.ticked.set(time.Now())
	}
}

// interval is the time to the next tick, a twentieth more or less: a fleet that
// was started at once does not go on in step.
func (b *Balancer) interval() time.Duration {
	return time.Duration((0.95 + 0.1*rand.Float64()) * float64(b.tuning.Load().Interval))
}

// tick is one turn: look, tell the others, decide, begin.
func (b *Balancer) tick(ctx context.Context) error {
	sample, took, sampleErr := b.sampleOnce(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fleet := b.fleet()
	journalErr := b.o.Journal.Check()
	b.o.Observer.JournalWritten(journalErr)

	var turn Turn
	err := b.ask(ctx, func(c *Core) {
		turn = c.Turn(time.Now(), Facts{Sample: sample, Journal: journalErr, Fleet: fleet})
		b.o.Cluster.Publish(turn.View.Hosts[0].HostState)
	})
	if err != nil {
		return err
	}
	decision, view := turn.Decision, turn.View
	b.o.Observer.Sampled(took, sampleErr, view.Hosts[0], b.tuning.Load().Policy.Marks, view.Domains)
	b.o.Observer.Promised(view.Ledger)
	b.o.Observer.Fleet(fleet.Others, view.Now, b.tuning.Load().Policy.StaleAfter)
	b.o.Observer.Room(b.headroom(view, decision).Headroom)
	b.o.Observer.JournalOpen(len(b.o.Journal.Open()))
	b.o.Observer.Decided(decision)
	b.o.Observer.Shadowed(turn.Shadow.Disagreement)
	b.logDecision(decision, view.Hosts[0])
	b.logShadow(turn.Shadow)
	b.keep(view, decision)
	b.timeline.observe(view.Now, view.Hosts, b.tuning.Load().Policy.StaleAfter)
	b.decisions.observe(view.Now, decision, view.Hosts[0], names(view))

	for _, a := range turn.Arrived {
		b.drivers.Go(func() { b.finishArrival(ctx, a) })
	}
	for _, due := range turn.Audits {
		b.drivers.Go(func() { b.audit(ctx, due) })
	}
	if decision.Hold == policy.OK {
		if err := b.begin(ctx, decision.Plan[0]); err != nil {
			b.log.Warn("move not begun", "domain", decision.Plan[0].Name, "err", err)
		}
	}
	_ = b.remember(ctx) // logged, and tried again at the next tick
	return nil
}

// fleet is what the cluster says now.
func (b *Balancer) fleet() Fleet {
	c := b.o.Cluster
	return Fleet{Others: c.Hosts(), Known: c.Known(), Missing: c.Missing(), Conflict: c.Conflict()}
}

// sampleOnce reads the counters, within one interval. What could not be read is
// marked in the sample.
func (b *Balancer) sampleOnce(ctx context.Context) (policy.Sample, time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, b.tuning.Load().Interval)
	defer cancel()
	sample, err := b.o.Hypervisor.Sample(ctx)
	if err != nil {
		b.log.Warn("sample incomplete", "err", err)
	}
	if sample.At.IsZero() {
		sample.At = began
	}
	return sample, time.Since(began), err
}

// finishArrival sets what libvirt did not carry over with a domain. What fails
// is tried again at the next tick.
func (b *Balancer) finishArrival(ctx context.Context, a Arrived) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := b.settle(ctx, a); err != nil {
		b.log.Warn("arrival not finished yet: autostart and history of the domain are not set", "domain", a.Domain, "err", err)
	}
}

func (b *Balancer) settle(ctx context.Context, a Arrived) error {
	failpoint("arrived")
	if err := b.o.Hypervisor.Settle(ctx, a.Domain, a.Handoff); err != nil {
		return err
	}
	return b.ask(ctx, func(c *Core) { c.Finished(a.Op) })
}

// begin opens an operation for the move and drives it in the background.
func (b *Balancer) begin(ctx context.Context, m policy.Move) error {
	target, ok := b.o.Cluster.Endpoint(m.To)
	if !ok {
		return fmt.Errorf("host %s is not a member any more", m.To)
	}
	return b.ask(ctx, func(c *Core) {
		o := c.Begin(time.Now(), b.o.NewID(), m, target)
		b.drivers.Go(func() { b.drive(ctx, o) })
	})
}

// resume takes up what an earlier life left open.
func (b *Balancer) resume(ctx context.Context) {
	for _, o := range b.o.Journal.Open() {
		b.log.Info("taking up an operation from the journal", "op", o.ID, "domain", o.Move.Name, "phase", o.Phase.String())
		if b.ask(ctx, func(c *Core) { c.Adopt(o) }) != nil {
			return
		}
		b.drivers.Go(func() { b.drive(ctx, o) })
	}
}

// remember writes down what must survive a restart, if it has changed.
func (b *Balancer) remember(ctx context.Context) error {
	b.remembering.Lock()
	defer b.remembering.Unlock()
	var m Memory
	err := b.ask(ctx, func(c *Core) { m = c.Memory() })
	if err == nil {
		err = b.memory.Save(m)
	}
	if err != nil {
		b.log.Warn("promises and back-offs not saved", "err", err)
	}
	return err
}

// Alive reports whether the control loop has come round lately: what the
// watchdog is fed by.
func (b *Balancer) Alive(now time.Time) bool {
	return now.Sub(later(b.ticked.get(), b.started)) < 3*b.tuning.Load().Interval+10*time.Second
}

// logDecision writes one line when what is decided changes.
func (b *Balancer) logDecision(d policy.Decision, self policy.Host) {
	line := fmt.Sprint(d.Hold, len(d.Plan) > 0 && d.Hold == policy.DryRun)
	level := slog.LevelDebug
	if line != b.lastLogged || d.Hold == policy.OK {
		level = slog.LevelInfo
	}
	b.lastLogged = line
	attrs := []any{
		"hold", d.Hold.String(), "band", d.Band.String(),
		"cpu", self.Utilization(policy.CPU).String(), "memory", self.Utilization(policy.Memory).String(),
	}
	if len(d.Plan) > 0 {
		m := d.Plan[0]
		attrs = append(attrs, "domain", m.Name, "to", m.To, "why", m.Why.String(),
			"from_after", m.FromAfter.String(), "to_after", m.ToAfter.String())
	}
	if d.Hold == policy.NoFeasibleHost {
		attrs = append(attrs, "refused", tally(d.Verdicts))
	}
	b.log.Log(context.Background(), level, "decision", attrs...)
}

// tally counts verdicts by reason, the most frequent first.
func tally(verdicts []policy.Verdict) string {
	counts := map[policy.Reason]int{}
	for _, v := range verdicts {
		counts[v.Reason]++
	}
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b policy.Reason) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var words []string
	for _, r := range reasons {
		words = append(words, fmt.Sprintf("%s:%d", r, counts[r]))
	}
	return strings.Join(words, " ")
}
