package loadgen

import (
	"math"
	"math/rand/v2"
	"time"
)

// plant simulates a host: CPUs, the workers, other work, and the counters that
// the kernel would show. It advances in steps of a millisecond.
type plant struct {
	cpus   int
	room   float64                 // CPUs the workers may use at once (affinity)
	quota  float64                 // CPUs the workers may use on average; 0: no limit
	other  func(t float64) float64 // CPUs that other work wants
	fair   bool                    // others share with the workers instead of displacing them
	stolen float64                 // share of a worker's time that neighbours outside the counters take
	late   float64                 // mean lateness of a worker's wake-up, s
	clock  func(p *plant, s *Snapshot)
	rng    *rand.Rand

	ms      int
	workers []simWorker
	duty    float64

	own, busy float64 // exact, CPU seconds
	ticks     float64 // busy as sampled by the tick, CPU seconds
	idle      float64 // exact
	spent     float64 // of the quota, in this period of 100 ms
}

type simWorker struct {
	left, credit      float64 // s
	next, wake, until float64 // s
}

func newPlant(cpus int, seed uint64) *plant {
	return &plant{
		cpus: cpus, room: float64(cpus), late: 0.0005,
		other: func(float64) float64 { return 0 },
		clock: tickless, rng: rand.New(rand.NewPCG(seed, 42)),
	}
}

var periodS = period.Seconds()

func (p *plant) now() float64 { return float64(p.ms) / 1000 }

// set applies what the controller decided.
func (p *plant) set(threads int, duty float64) {
	for len(p.workers) < threads {
		p.workers = append(p.workers, simWorker{next: p.now() + vanDerCorput(len(p.workers))*periodS})
	}
	p.workers = p.workers[:threads]
	p.duty = duty
}

// step advances by a millisecond and returns the utilisation in it.
func (p *plant) step() float64 {
	const dt = 0.001
	n := float64(p.cpus)
	want := 0.0
	for i := range p.workers {
		w := &p.workers[i]
		if p.now() >= w.next {
			w.credit = min(max(w.left, -periodS), periodS)
			w.left = p.duty*periodS + w.credit
			w.until = w.next + periodS
			w.wake = w.next + p.rng.ExpFloat64()*p.late
			w.next += periodS
		}
		if w.left > 0 && p.now() >= w.wake {
			want++
		}
	}
	want = min(want, p.room)
	others := min(max(p.other(p.now()), 0), n)
	get := min(want, n-others)
	if p.fair && want+others > n {
		get = want * n / (want + others)
		others = n - get
	}
	if p.quota > 0 {
		if p.ms%100 == 0 {
			p.spent = 0
		}
		get = min(get, max(p.quota*0.1-p.spent, 0)/dt)
		p.spent += get * dt
	}
	if want > 0 {
		get *= 1 - p.stolen
		each := get / want * dt
		for i := range p.workers {
			w := &p.workers[i]
			if w.left > 0 && p.now() >= w.wake {
				w.left -= each
			}
		}
	}
	p.own += get * dt
	p.busy += (get + others) * dt
	p.idle += (n - get - others) * dt

	// Each CPU has its tick, 4 ms apart from itself, staggered.
	running := get + others
	for c := (4 - p.ms%4) % 4; c < p.cpus; c += 4 {
		p.ticks += 0.004 * min(max(running-float64(c), 0), 1)
	}
	p.ms++
	return running / n
}

// snapshot returns what the sensor would read.
func (p *plant) snapshot() Snapshot {
	s := Snapshot{
		At: time.Duration(p.ms) * time.Millisecond, CPUs: float64(p.cpus), Room: p.room,
		Own: seconds(p.own),
	}
	p.clock(p, &s)
	return s
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func floorTick(s float64) time.Duration {
	return seconds(math.Floor(s*100) / 100)
}

// tickless: idle time is exact, busy time is sampled, both in ticks of 10 ms.
func tickless(p *plant, s *Snapshot) {
	s.Busy = floorTick(p.ticks)
	s.Total = s.Busy + floorTick(p.idle)
}

// periodic: both are sampled.
func periodic(p *plant, s *Snapshot) {
	s.Busy = floorTick(p.ticks)
	s.Total = s.Busy + floorTick(p.busy+p.idle-p.ticks)
}

// exact: a cgroup's own counter.
func exact(p *plant, s *Snapshot) {
	s.Busy = seconds(p.busy)
	s.Total = seconds(p.busy + p.idle)
}

// trial drives a plant with a controller and records utilisation in samples
// of 0.2 s, as an outside judge would.
type trial struct {
	u       []float64 // per 0.2 s
	own     []float64
	threads []int // per reading
	outs    []Output
}

func (p *plant) hold(c *Controller, band Band, dur float64) trial {
	return p.run(dur, func(s Snapshot) (int, float64, Output) {
		o := c.Step(s, band, AimMid)
		return o.Threads, o.Duty, o
	})
}

func (p *plant) run(dur float64, law func(Snapshot) (int, float64, Output)) trial {
	const readMs, sampleMs = 40, 200
	var t trial
	var u float64
	own := p.own
	for end := p.ms + int(dur*1000); p.ms < end; {
		if p.ms%readMs == 0 {
			n, d, o := law(p.snapshot())
			p.set(n, d)
			t.threads = append(t.threads, n)
			t.outs = append(t.outs, o)
		}
		u += p.step()
		if p.ms%sampleMs == 0 {
			t.u = append(t.u, u/sampleMs)
			t.own = append(t.own, (p.own-own)/0.2/float64(p.cpus))
			u, own = 0, p.own
		}
	}
	return t
}

// means returns the sliding means over one second.
func (t trial) means() []float64 {
	out := make([]float64, len(t.u))
	for i := range t.u {
		sum := 0.0
		from := max(i-4, 0)
		for _, v := range t.u[from : i+1] {
			sum += v
		}
		out[i] = sum / float64(i+1-from)
	}
	return out
}

// settled returns when the means enter the band after from and stay for hold
// seconds, as seconds after from; NaN if they do not before to.
func (t trial) settled(band Band, from, hold, to float64) float64 {
	m := t.means()
	need := int(hold * 5)
	for i := int(from * 5); i+need <= min(int(to*5), len(m)); i++ {
		ok := true
		for _, v := range m[i : i+need+0] {
			ok = ok && band.Contains(v)
		}
		if ok {
			return float64(i+1)/5 - from
		}
	}
	return math.NaN()
}

// share returns the share of means in the band between two times.
func (t trial) share(band Band, from, to float64) float64 {
	m := t.means()
	in, n := 0, 0
	for i := int(from * 5); i < min(int(to*5), len(m)); i++ {
		n++
		if band.Contains(m[i]) {
			in++
		}
	}
	return float64(in) / float64(n)
}

func (t trial) changes(from float64) int {
	n := 0
	for i := int(from * 25); i+1 < len(t.threads); i++ {
		if t.threads[i] != t.threads[i+1] {
			n++
		}
	}
	return n
}

// over returns the highest mean above the band, in shares.
func (t trial) over(band Band, from float64) float64 {
	most := 0.0
	for i, v := range t.means() {
		if i >= int(from*5) {
			most = max(most, v-band.Max)
		}
	}
	return most
}
