package disaster

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// Options choose one run.
type Options struct {
	Seed     uint64
	Scenario Scenario
	// Plant puts a bug in, to see it found.
	Plant Bug
	// Trace is written to as it happens; nil keeps the last lines only.
	Trace io.Writer
}

// Bug is one that is planted on purpose.
type Bug uint8

// The bugs.
const (
	NoBug Bug = iota
	// SkippedSync: the journal is written and not synced.
	SkippedSync
	// DoubleGrant: a target promises room and does not book it.
	DoubleGrant
	// ActOnUnknown: an operation whose outcome is unknown is tried again.
	ActOnUnknown
)

// Result is what became of a run.
type Result struct {
	// Violation is the first invariant that was broken, empty if none.
	Violation string
	// Hash is of the whole trace.
	Hash uint64
	// Last are the newest lines of the trace.
	Last []string

	Events, Crashes, Disasters       int
	Begun, Succeeded, Failed, Opened int
	Unknown                          int // operations left for a person
	Refused                          int
	// Late counts migrations that began beside one that came after its promise had
	// ended, and after its place had been given away.
	Late int
	// Swaps counts requests for room that offered something in exchange.
	Swaps int
	// Crest is the highest share of its CPU that a target was in truth committed
	// to when it gave a promise.
	Crest policy.Fraction
}

// Sim is one cluster in virtual time.
type Sim struct {
	o   Options
	rng *rand.Rand
	// vary draws what Scenario.Varied is for, so that the rest of a seed stays as
	// it is without.
	vary    *rand.Rand
	ruled   bool
	world   *fake.World
	queue   queue
	seq     int
	hosts   []*host
	domains []domain
	byID    map[policy.HostID]*host
	// truth is what guests want, as long as nobody changes it.
	truth map[policy.DomainID]policy.MilliCPU
	net   network
	tune  balancer.Tuning
	move  balancer.TransferOptions
	check checker

	hash interface {
		io.Writer
		Sum64() uint64
	}
	last  []string
	opSeq int
	// calm: the disasters are over.
	calm bool
	r    Result
}

// event is something to be done at a time.
type event struct {
	at  time.Time
	seq int // events of one time come in the order in which they were planned
	do  func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// Run lets one cluster live through what its seed holds.
func Run(o Options) Result {
	s := &Sim{
		o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x5eed)), vary: rand.New(rand.NewPCG(o.Seed, 0x7a91)),
		byID: map[policy.HostID]*host{}, hash: fnv.New64a(),
	}
	s.check.init(s)
	s.setUp()
	end := s.world.Now().Add(o.Scenario.Length())
	for going := true; going && s.r.Violation == ""; {
		going = s.step(end)
	}
	if s.r.Violation == "" {
		s.check.end()
	}
	s.r.Hash, s.r.Last = s.hash.Sum64(), s.last
	return s.r
}

// step lets the next thing happen; false if it is beyond the end. The world
// stops at each of its own events, so that what a migration's end causes comes
// before what is planned for later.
func (s *Sim) step(end time.Time) bool {
	now, at := s.world.Now(), end
	if len(s.queue) > 0 && s.queue[0].at.Before(end) {
		at = s.queue[0].at
	}
	if next, ok := s.world.Next(); ok && next.After(now) && next.Before(at) {
		s.world.Advance(next.Sub(now))
		s.check.world()
		return true
	}
	s.world.Advance(at.Sub(now))
	s.check.world()
	if len(s.queue) == 0 || s.queue[0].at.After(at) {
		return at.Before(end)
	}
	if !at.Before(end) {
		return false
	}
	s.r.Events++
	e := heap.Pop(&s.queue).(event)
	e.do()
	s.check.world()
	return true
}

// after plans something.
func (s *Sim) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, event{s.world.Now().Add(max(0, d)), s.seq, do})
}

// tracef writes one line of the trace.
func (s *Sim) tracef(format string, args ...any) {
	const keep = 80
	line := s.world.Now().UTC().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	_, _ = io.WriteString(s.hash, line+"\n") // a hash never fails
	if s.o.Trace != nil {
		fmt.Fprintln(s.o.Trace, line)
	}
	if len(s.last) == keep {
		s.last = append(s.last[:0], s.last[1:]...)
	}
	s.last = append(s.last, line)
}

// violate records the first invariant that is broken.
func (s *Sim) violate(format string, args ...any) {
	if s.r.Violation == "" {
		s.r.Violation = fmt.Sprintf(format, args...)
		s.tracef("VIOLATION %s", s.r.Violation)
	}
}

// within draws a duration.
func (s *Sim) within(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)+1))
}

// chance is true once in n.
func (s *Sim) chance(n int) bool { return s.rng.IntN(n) == 0 }

// latency is what a local call takes: little, now and then much.
func (s *Sim) latency() time.Duration {
	switch {
	case s.calm || !s.chance(10):
		return s.within(time.Millisecond, 20*time.Millisecond)
	case !s.chance(10):
		return s.within(20*time.Millisecond, 2*time.Second)
	default:
		return s.within(2*time.Second, 12*time.Second)
	}
}

func (s *Sim) newOp() policy.OpID {
	s.opSeq++
	return policy.OpID(fmt.Sprintf("00000000-0000-4000-8000-%012x", s.opSeq))
}

// Add sums runs up.
func (r *Result) Add(other Result) {
	r.Events += other.Events
	r.Crashes += other.Crashes
	r.Disasters += other.Disasters
	r.Opened += other.Opened
	r.Begun += other.Begun
	r.Succeeded += other.Succeeded
	r.Failed += other.Failed
	r.Refused += other.Refused
	r.Late += other.Late
	r.Swaps += other.Swaps
	r.Unknown += other.Unknown
	r.Crest = max(r.Crest, other.Crest)
}

// String is for people.
func (r Result) String() string {
	return fmt.Sprintf("%d events, %d disasters, %d crashes, %d operations (%d migrations begun, %d refusals, %d swaps, %d succeeded, %d failed, %d left for a person, %d beside a late one)",
		r.Events, r.Disasters, r.Crashes, r.Opened, r.Begun, r.Refused, r.Swaps, r.Succeeded, r.Failed, r.Unknown, r.Late)
}
