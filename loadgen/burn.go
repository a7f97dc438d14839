package loadgen

import (
	"math"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// period is how often a worker burns and sleeps. Shorter wakes up more
	// often than it is worth, longer is seen as bursts by whoever watches, and
	// beats against the 100 ms in which quotas are enforced.
	//
	// It is not a round 20 ms, because the kernel books CPU time by looking at
	// its tick (1, 3.3, 4 or 10 ms): bursts in step with the tick are always
	// or never seen by it, and /proc/stat is wrong by up to a fifth of the
	// load. With 0.3 ms more, every burst meets the tick at another point.
	period = 20300 * time.Microsecond

	// orphaned is the age from which a command is not obeyed any more: the
	// control thread does not get the CPU, so the host has better things to do.
	orphaned = 500 * time.Millisecond
)

// pool is a set of worker threads that burn a share of every period. Only the
// control thread calls its methods.
type pool struct {
	place  placement
	origin time.Time
	wg     sync.WaitGroup

	workers []*worker

	duty  atomic.Uint64 // float64 bits
	given atomic.Int64  // when the duty was given, after origin
}

// worker is one operating system thread.
type worker struct {
	stop   atomic.Bool
	tid    atomic.Int64
	phase  time.Duration
	credit time.Duration // owed from the last period; negative if ahead
	sink   uint64
}

func newPool(place placement) *pool {
	return &pool{place: place, origin: time.Now()}
}

func (p *pool) now() time.Duration { return time.Since(p.origin) }

// set makes n threads burn duty of their time from now on.
func (p *pool) set(n int, duty float64) {
	p.duty.Store(math.Float64bits(duty))
	p.given.Store(int64(p.now()))
	for len(p.workers) > n {
		last := len(p.workers) - 1
		p.workers[last].end()
		p.workers[last] = nil
		p.workers = p.workers[:last]
	}
	for len(p.workers) < n {
		w := &worker{phase: time.Duration(vanDerCorput(len(p.workers)) * float64(period))}
		p.workers = append(p.workers, w)
		p.wg.Go(func() { w.run(p) })
	}
}

// close ends all threads and waits for them. A thread that does not get the
// CPU is not waited for longer than grace; it ends when it next runs.
func (p *pool) close(grace time.Duration) {
	p.set(0, 0)
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(grace):
	}
}

// end asks the thread to finish. It also stops being cheap to displace, for
// otherwise a full host would not let it run to its end.
func (w *worker) end() {
	w.stop.Store(true)
	if tid := int(w.tid.Load()); tid != 0 {
		restore(tid)
	}
}

// run is the life of the thread: it ends with the function, since the
// goroutine exits while it is locked to it.
func (w *worker) run(p *pool) {
	runtime.LockOSThread()
	p.place.apply()
	w.tid.Store(int64(threadID()))
	defer w.tid.Store(0)

	next := p.now() + w.phase
	for !w.stop.Load() {
		now := p.now()
		if now < next {
			time.Sleep(next - now)
			continue
		}
		end := next + period
		if now > end {
			// More than a period late: there is no making up for it here. The
			// controller sees that load is missing.
			end = now + period
		}
		w.burn(p, end)
		next = end
	}
}

// burn uses the CPU until the thread has got its share of the period, or the
// period is over. What is missing or too much is settled in the next one.
func (w *worker) burn(p *pool, end time.Duration) {
	start := threadCPU()
	share := time.Duration(p.share(p.now()) * float64(period))
	if share == 0 {
		w.credit = 0
		return
	}
	budget := share + w.credit
	used := time.Duration(0)
	for now := p.now(); used < budget && now < end; {
		// A thread cannot use CPU time faster than time passes, so its own
		// clock, which costs a system call, need not be asked before.
		until := min(now+budget-used, end)
		for now < until {
			w.spin()
			now = p.now()
			if w.stop.Load() || p.share(now) == 0 {
				w.credit = 0
				return
			}
		}
		used = threadCPU() - start
	}
	w.credit = min(max(budget-used, -period), period)
}

// share returns the duty that is valid now.
func (p *pool) share(now time.Duration) float64 {
	if now-time.Duration(p.given.Load()) > orphaned {
		return 0
	}
	return math.Float64frombits(p.duty.Load())
}

// spin does arithmetic for some 10 microseconds. It reads no clock and touches
// no memory, so it disturbs neither the caches nor the kernel.
func (w *worker) spin() {
	x := w.sink | 1
	for range 4000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	w.sink = x
}

// vanDerCorput returns the i-th element of a sequence in 0..1 of which every
// beginning is spread evenly.
func vanDerCorput(i int) float64 {
	return float64(bits.Reverse32(uint32(i))) / (1 << 32)
}
