package loadgen

import (
	"math"
	"time"
)

// background estimates the load of everything else on the host as the mean
// since the last proven change, at most memory back.
//
// A change is looked for at every reading: each earlier reading is tried as
// the moment of change, and the difference between the mean before and after
// is compared with the error that the clocks can have made (a generalised
// likelihood ratio test). So a large step is seen within one reading, a small
// one as soon as it can be told from noise, and without a change the estimate
// gets quieter with every reading instead of passing the noise on to the load.
type background struct {
	points [pointsMax]point
	first  int
	n      int
}

// point is a reading of the three clocks. Busy and total come from one read
// and are compared with each other; own is compared with the wall clock. So a
// reader that shows old figures for a moment biases neither share.
type point struct {
	at    float64 // s
	total float64 // share of the host since the start, times s
	busy  float64 // likewise
	own   float64 // likewise
}

const (
	// memory bounds the mean. Longer is quieter, but forgets a change too
	// small to be proven later; at 5 s the clocks' error is 0.1 points of two
	// CPUs.
	memory = 5 * time.Second

	// pointsMax holds memory at the fastest reading.
	pointsMax = 256

	// proof is how many standard errors a change must show. Lower reacts
	// sooner and mistakes noise for change more often; at 5 a false alarm is
	// a matter of hours.
	proof = 5
)

func (b *background) reset() { b.first, b.n = 0, 0 }

// recent returns the utilisation of the host over about the last w seconds.
func (b *background) recent(w float64) float64 {
	if b.n < 2 {
		return 0
	}
	newest := b.get(b.n - 1)
	k := b.n - 2
	for k > 0 && newest.at-b.get(k).at < w {
		k--
	}
	return (newest.busy - b.get(k).busy) / (newest.total - b.get(k).total)
}

func (b *background) get(i int) *point { return &b.points[(b.first+i)%pointsMax] }

func (b *background) drop(n int) {
	b.first = (b.first + n) % pointsMax
	b.n -= n
}

// add takes a reading and reports whether it proves a change.
func (b *background) add(p point, noise clockNoise) bool {
	if b.n == pointsMax {
		b.drop(1)
	}
	b.n++
	*b.get(b.n - 1) = p
	for b.n > 2 && p.at-b.get(1).at >= memory.Seconds() {
		b.drop(1)
	}
	k := b.change(noise)
	if k == 0 {
		return false
	}
	b.drop(k)
	return true
}

// mean returns the estimate and its standard error, as shares of the host.
// ok is false before there are two readings.
func (b *background) mean(noise clockNoise) (mean, sigma float64, ok bool) {
	if b.n < 2 {
		return 0, 0, false
	}
	oldest, newest := b.get(0), b.get(b.n-1)
	w := newest.at - oldest.at
	return between(oldest, newest), noise.of(w), true
}

// change returns the index of the reading that most probably was the moment
// of change, or 0.
func (b *background) change(noise clockNoise) (at int) {
	if b.n < 3 {
		return 0
	}
	oldest, newest := b.get(0), b.get(b.n-1)
	most := float64(proof * proof)
	for k := 1; k < b.n-1; k++ {
		p := b.get(k)
		before, after := p.at-oldest.at, newest.at-p.at
		diff := between(p, newest) - between(oldest, p)
		// The error of the reading at the split enters both means.
		both := 1/before + 1/after
		ends := 1/(before*before) + 1/(after*after) + both*both
		variance := noise.end*noise.end*ends + noise.walk*noise.walk*both
		if z := diff * diff / variance; z > most {
			most, at = z, k
		}
	}
	return at
}

// between returns the background between two readings as a share of the host.
func between(a, b *point) float64 {
	return (b.busy-a.busy)/(b.total-a.total) - (b.own-a.own)/(b.at-a.at)
}

// clockNoise is the error of the clocks.
type clockNoise struct {
	end  float64 // standard error of one reading: share of the host times s
	walk float64 // standard error that grows with time: share times sqrt(s)
}

// of returns the standard error of a mean over w seconds.
func (n clockNoise) of(w float64) float64 {
	return math.Sqrt(2*n.end*n.end/(w*w) + n.walk*n.walk/w)
}

// noiseOf returns the error to be expected on a host of n CPUs.
//
// The kernel prints the sum over all CPUs in ticks of 10 ms and, where it
// counts by sampling, books whole ticks on each CPU: rounding errors with a
// variance of tick^2/12 each. That is the end error. Sampling also mistakes
// load that comes and goes between ticks; samples of a running kernel are
// mostly stratified, so this is far below the binomial sqrt(u(1-u)/HZ).
func noiseOf(cpus float64) clockNoise {
	const (
		tick     = 0.010 // s
		sampling = 0.004 // share of one CPU times sqrt(s)
	)
	cpus = max(cpus, 1)
	return clockNoise{
		end:  tick / math.Sqrt(12) * math.Sqrt(1+cpus) / cpus,
		walk: sampling / math.Sqrt(cpus),
	}
}
