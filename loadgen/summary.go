package loadgen

import "time"

// Summary judges a run by sliding means over one second, as whoever watches
// top does.
type Summary struct {
	Elapsed time.Duration

	// Settled is false if the band was never entered for long enough.
	Settled bool
	// Settle is when it was entered, counted from the start.
	Settle time.Duration

	// InBand is the share of time in the band since Settle, or since the
	// start of a run that never settled.
	InBand float64

	// Worst is by how much the mean was furthest outside since then, as a
	// share of the host: positive above, negative below, 0 if it never was.
	Worst   float64
	WorstAt time.Duration

	// ThreadChanges counts changes of the number of threads since then.
	ThreadChanges int
}

const (
	// settleHold is how long the band must be held to count as settled.
	settleHold = 5 * time.Second
	window     = time.Second
)

// judge keeps a Summary up to date.
type judge struct {
	ring    [ringMax]mark
	first   int
	n       int
	sum     Summary
	threads int
	start   time.Duration // of the run, by the snapshots' clock

	entered time.Duration // when the band was last entered
	inside  bool
	since   score // since entered
	all     score // since Settle, or the start
}

type mark struct {
	s    Snapshot
	band Band // summed over readings
}

// score counts what happened over a stretch of time.
type score struct {
	time, in time.Duration
	worst    float64
	worstAt  time.Duration
	changes  int
}

// ringMax holds a second at the fastest reading.
const ringMax = 64

// add takes a reading and returns the means over the last second.
func (j *judge) add(s Snapshot, band Band, threads int) Past {
	prev := j.mark(j.n - 1)
	now := mark{s: s, band: Band{prev.band.Min + band.Min, prev.band.Max + band.Max}}
	if j.n == ringMax {
		j.drop()
	}
	j.n++
	*j.mark(j.n - 1) = now
	for j.n > 2 && s.At-j.mark(1).s.At >= window {
		j.drop()
	}
	if j.n < 2 {
		j.threads = threads
		return Past{}
	}
	// A band that moves is compared as its own mean over the same second.
	old, n := j.mark(0), float64(j.n-1)
	aim := Band{(now.band.Min - old.band.Min) / n, (now.band.Max - old.band.Max) / n}
	past := pastBetween(old.s, s)
	j.judge(past.Used, aim, threads, s.At, s.At-prev.s.At)
	return past
}

func (j *judge) mark(i int) *mark { return &j.ring[(j.first+i+ringMax)%ringMax] }

func (j *judge) drop() { j.first, j.n = (j.first+1)%ringMax, j.n-1 }

// pastBetween returns the means between two snapshots.
func pastBetween(a, b Snapshot) Past {
	var p Past
	if total := (b.Total - a.Total).Seconds(); total > 0 {
		p.Used = (b.Busy - a.Busy).Seconds() / total
		p.Steal = (b.Stolen - a.Stolen).Seconds() / total
	}
	if wall := (b.At - a.At).Seconds() * b.CPUs; wall > 0 {
		p.Own = (b.Own - a.Own).Seconds() / wall
	}
	return p
}

// judge takes the mean of the second before at, of which dt is new.
func (j *judge) judge(mean float64, aim Band, threads int, at, dt time.Duration) {
	at -= j.start
	in := aim.Contains(mean)
	step := score{time: dt, worst: aim.off(mean), worstAt: at}
	if in {
		step.in = dt
	}
	if threads != j.threads {
		step.changes, j.threads = 1, threads
	}
	j.count(at, in, step)
}

// off returns how far u is outside the band: positive above, negative below.
func (b Band) off(u float64) float64 { return max(u-b.Max, 0) + min(u-b.Min, 0) }

func (j *judge) count(at time.Duration, in bool, step score) {
	j.sum.Elapsed = at
	j.all.add(step)
	if j.sum.Settled {
		return
	}
	if in && !j.inside {
		j.entered, j.since = at, score{}
	}
	j.inside = in
	j.since.add(step)
	if in && at-j.entered >= settleHold {
		j.sum.Settled, j.sum.Settle = true, j.entered
		j.all = j.since
	}
}

func (s *score) add(step score) {
	s.time += step.time
	s.in += step.in
	s.changes += step.changes
	if abs(step.worst) > abs(s.worst) {
		s.worst, s.worstAt = step.worst, step.worstAt
	}
}

func abs(x float64) float64 { return max(x, -x) }

// summary returns the judgement so far.
func (j *judge) summary() Summary {
	s, score := j.sum, j.all
	if !s.Settled && j.inside && s.Elapsed < 2*settleHold && s.Elapsed-j.entered >= window {
		// Too short to hold for long: being inside to the end is enough.
		s.Settled, s.Settle, score = true, j.entered, j.since
	}
	if score.time > 0 {
		s.InBand = float64(score.in) / float64(score.time)
	}
	s.Worst, s.WorstAt, s.ThreadChanges = score.worst, score.worstAt, score.changes
	return s
}
