package loadgen

import (
	"context"
	"fmt"
	"math"
	"time"
)

// runner is the state of a run. All of it belongs to the control thread.
type runner struct {
	o       Options
	reports chan<- Report

	sensor  sensor
	pool    *pool
	control Controller
	judge   judge

	group      group   // empty if there is none
	size       float64 // of the group in CPUs
	room       Room
	threadsMax int
	every      time.Duration // between readings

	start    Snapshot
	last     Snapshot // of the last report
	reportAt time.Duration
	said     Cause // in the last report
	dropped  int
}

func newRunner(o Options) (*runner, error) {
	place := newPlacement(o.Nice, o.CPUs)
	if err := place.try(); err != nil {
		return nil, err
	}
	r := &runner{o: o, pool: newPool(place)}
	g, err := findGroup(o.Proc)
	switch {
	case err == nil:
		r.group = g
	case o.Scope == ScopeCgroup:
		return nil, err
	}
	if err := r.look(); err != nil {
		return nil, err
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	r.every = readEvery(r.sensor)
	if r.start, err = r.sensor.read(); err != nil {
		return nil, err
	}
	r.threadsMax = int(math.Ceil(min(r.start.CPUs, r.room.CPUs)))
	r.last, r.judge.start = r.start, r.start.At
	r.reportAt = o.ReportEvery
	return r, nil
}

func (r *runner) open() (err error) {
	switch r.o.Scope {
	case ScopeHost, "":
		r.sensor, err = newHostSensor(r.o.Proc, r.o.Counting, r.pool.origin)
	case ScopeCgroup:
		r.sensor, err = newGroupSensor(r.group, func() float64 { return r.size }, r.pool.origin)
	default:
		err = fmt.Errorf("scope %q is neither host nor cgroup", r.o.Scope)
	}
	return err
}

// look asks the kernel and the options how much this process may use now.
func (r *runner) look() error {
	n, err := affinity()
	if err != nil {
		return err
	}
	room := Room{CPUs: float64(n), Limit: fmt.Sprintf("the affinity to %d CPUs", n)}
	if r.group.dir != "" {
		if q, err := quota(r.group.dir, r.group.v2); err == nil && q > 0 {
			room = room.narrow(q, fmt.Sprintf("the quota of %.2f CPUs", q))
		}
	}
	r.size = room.CPUs
	if n := len(r.o.CPUs); n > 0 {
		room = room.narrow(float64(n), fmt.Sprintf("--cpus with %d CPUs", n))
	}
	if n := r.o.ThreadsMax; n > 0 {
		room = room.narrow(float64(n), fmt.Sprintf("--threads-max %d", n))
	}
	r.room = room
	return nil
}

// readEvery returns the distance of readings: close enough to react, and so
// far apart that reading costs less than 0.4 % of a CPU. The kernel's work for
// it grows with the number of CPUs; where a daemon makes the file (lxcfs), the
// work is another process's, so it is measured in time that passes.
func readEvery(s sensor) time.Duration {
	const (
		least = 40 * time.Millisecond // two periods of the workers
		most  = 200 * time.Millisecond
		share = 0.004
	)
	cost := most
	for range 5 {
		start := time.Now()
		if _, err := s.read(); err == nil {
			cost = min(cost, time.Since(start))
		}
	}
	every := least
	for every < most && float64(cost) > share*float64(every) {
		every += least
	}
	return every
}

// loop reads, decides and acts until there is a reason to stop.
func (r *runner) loop(ctx context.Context) {
	const lookEvery = 2 * time.Second
	next := r.pool.now()
	lookAt := next + lookEvery
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if !r.step() {
			return
		}
		now := r.pool.now()
		if now >= lookAt {
			lookAt = now + lookEvery
			_ = r.look() // what was known stays valid
		}
		next = max(next+r.every, now)
		timer.Reset(next - now)
	}
}

// step is one turn of the loop. It returns false when the time is over.
func (r *runner) step() bool {
	s, err := r.sensor.read()
	s.Room = r.room.CPUs
	at := s.At - r.start.At
	over := r.o.Duration > 0 && at >= r.o.Duration || r.o.Program.Ended(at)
	band := r.o.Program.Band(at)
	out := r.control.Step(s, band, r.o.Aim)
	r.pool.set(out.Threads, out.Duty)
	past := r.judge.add(s, band, out.Threads)
	obstacle := Reach(band, out, s.CPUs, r.room, past)

	// A limit of our own is known at once, so it is said at once.
	news := obstacle.Own() && obstacle.Cause != r.said
	if at < r.reportAt && !news {
		return !over
	}
	mean := pastBetween(r.last, s)
	r.send(Report{
		At: at, Band: band,
		CPU: mean.Used, Own: mean.Own, Background: max(mean.Used-mean.Own, 0), Steal: mean.Steal,
		Threads: out.Threads, Duty: out.Duty,
		InBand: band.Contains(mean.Used), Obstacle: obstacle, Err: err,
		Summary: r.judge.summary(), Dropped: r.dropped,
	})
	r.last, r.said = s, obstacle.Cause
	for r.reportAt <= at {
		r.reportAt += r.o.ReportEvery
	}
	return !over
}

func (r *runner) send(rep Report) {
	select {
	case r.reports <- rep:
	default:
		r.dropped++
	}
}
