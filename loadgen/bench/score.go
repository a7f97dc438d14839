package main

import "math"

// mean is a sliding mean over one second: what someone who watches top sees.
type mean struct{ t, dt, u float64 }

func (t trial) means() []mean {
	out := make([]mean, 0, len(t.samples))
	first, time, sum := 0, 0.0, 0.0
	for _, s := range t.samples {
		time += s.dt
		sum += s.u * s.dt
		for time-t.samples[first].dt >= 0.98 {
			time -= t.samples[first].dt
			sum -= t.samples[first].u * t.samples[first].dt
			first++
		}
		out = append(out, mean{s.t, s.dt, sum / time})
	}
	return out
}

// first returns when a mean is in the band for the first time; NaN if never.
func (t trial) first() float64 {
	for _, m := range t.means() {
		if t.scene.band(m.u) {
			return m.t
		}
	}
	return math.NaN()
}

// settled returns the first time from which the means stay in the band for
// hold seconds, looking from one time to another; NaN if they never do.
func (t trial) settled(from, hold, to float64) float64 {
	begin, in := 0.0, false
	for _, m := range t.means() {
		switch {
		case m.t < from:
		case m.t > to+0.3:
			return math.NaN()
		case !t.scene.band(m.u):
			in = false
		case !in:
			begin, in = m.t, true
		}
		if in && m.t-begin >= hold {
			return begin
		}
	}
	return math.NaN()
}

// share returns the percentage of time in band between two times.
func (t trial) share(from, to float64) float64 {
	in, all := 0.0, 0.0
	for _, m := range t.means() {
		if m.t < from || m.t > to {
			continue
		}
		all += m.dt
		if t.scene.band(m.u) {
			in += m.dt
		}
	}
	return 100 * in / all
}

// over returns by how many points the highest mean is above the band.
func (t trial) over(from, to float64) float64 {
	most := 0.0
	for _, m := range t.means() {
		if m.t >= from && m.t <= to {
			most = max(most, m.u-t.scene.max)
		}
	}
	return most
}

// toolMean returns what the tool used between two times, percent of the
// machine.
func (t trial) toolMean(from, to float64) float64 {
	sum, all := 0.0, 0.0
	for _, s := range t.samples {
		if s.t >= from && s.t <= to {
			sum += s.tool * s.dt
			all += s.dt
		}
	}
	return sum / all
}

// quietAfter returns how long after a time the tool still used more than half
// a percent of the machine.
func (t trial) quietAfter(from float64) float64 {
	last := from
	for _, s := range t.samples {
		if s.t > from && s.tool > 0.5 {
			last = s.t
		}
	}
	return last - from
}

// threadChanges counts changes in the printed number of threads after the
// band was settled into, leaving out the first second, which is not settled.
func (t trial) threadChanges() float64 {
	if len(t.threads) == 0 {
		return math.NaN()
	}
	n := 0
	for i := 2; i < len(t.threads); i++ {
		if t.threads[i] != t.threads[i-1] {
			n++
		}
	}
	return float64(n)
}
