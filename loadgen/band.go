package loadgen

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Band is the range that utilisation is to be held in, as shares of the host
// (0..1).
type Band struct {
	Min, Max float64
}

// Validate reports what is wrong with the band, in percent as users write it.
func (b Band) Validate() error {
	var errs []error
	for _, edge := range []struct {
		name  string
		value float64
	}{{"min", b.Min}, {"max", b.Max}} {
		if !(edge.value >= 0 && edge.value <= 1) {
			errs = append(errs, fmt.Errorf("%s (%.4g) must be in 0..100", edge.name, 100*edge.value))
		}
	}
	if errs == nil && b.Min >= b.Max {
		errs = append(errs, fmt.Errorf("min (%.4g) must be below max (%.4g)", 100*b.Min, 100*b.Max))
	}
	return errors.Join(errs...)
}

// Contains reports whether u lies in the band, its edges included.
func (b Band) Contains(u float64) bool { return b.Min <= u && u <= b.Max }

// Aim is where in the band the controller steers to.
type Aim int

const (
	// AimMid steers to the middle, which is furthest from both edges.
	AimMid Aim = iota
	// AimLow steers as close to Min as the clocks allow, which costs least
	// energy and leaves most room.
	AimLow
)

// Snapshot is a reading of the host's clocks. The origin of each is arbitrary;
// only differences count.
type Snapshot struct {
	At time.Duration // monotonic

	// Total is all CPU time the host had, Busy what of it was used, Own what
	// of that was used by this process.
	Total, Busy, Own time.Duration

	// Stolen is what of Total a hypervisor below has taken. The controller
	// does not use it; it is for whoever asks why load is missing.
	Stolen time.Duration

	// CPUs is the size of the host that Total is about: CPUs online, or the
	// CPU limit of a cgroup.
	CPUs float64

	// Room is how many CPUs this process can use at most: affinity, quota and
	// the user's limit on threads.
	Room float64
}

// Output is what the workers shall do, and what that was decided from.
type Output struct {
	Threads int
	Duty    float64 // share of time each thread burns, 0..1

	Target     float64 // own load wanted, share of the host
	Background float64 // estimated load of everything else, share of the host
	Sigma      float64 // standard error of Background

	// Ready is false until the background has been measured once.
	Ready bool
	// Trouble says why the load is being taken away; empty when all is well.
	Trouble Trouble
}

// Trouble is a reason not to believe the sensor.
type Trouble string

// What can be wrong with a sensor.
const (
	// SensorStalled means that the clocks stand still, or make no sense.
	SensorStalled Trouble = "the CPU counters do not advance"
	// SensorAbsurd means that the host is said to be less busy than this
	// process alone makes it.
	SensorAbsurd Trouble = "the CPU counters do not show this process's own load"
)

// Controller decides how much load to make. It depends on nothing but the
// snapshots it is given. The zero Controller is ready to use.
type Controller struct {
	last Snapshot // the last snapshot
	seen Snapshot // the last one whose clocks made sense

	sum  point // clocks summed up over differences that made sense
	rest background

	want    float64 // own load the law asks for, share of the host
	target  float64 // what of that is possible and to be trusted
	debt    float64 // load wanted and not delivered, share times s
	threads int

	ready    bool
	blind    time.Duration // for how long nothing has been read
	doubtful time.Duration // for how long the readings have been absurd
}

const (
	// repay is the time in which missing load is made up for. Shorter repays
	// sooner but must stay well above the delay of the loop (a reading and a
	// period, 60 ms), or it swings.
	repay = 0.25 // s

	// debtMax bounds what is made up for. At 0.1 the controller asks for up
	// to 40 points more than it needs while others take the CPU, and makes
	// 10 point-seconds too much when they suddenly stop.
	debtMax = 0.1 // share times s

	// saturated is the utilisation from which missing load is not asked for
	// again: what is missing went to work that needs it more.
	saturated = 0.98

	// Without a reading the load is held for holdBlind, since a late reading
	// is no reason to let go, and taken away over fadeBlind.
	holdBlind = 800 * time.Millisecond
	fadeBlind = 800 * time.Millisecond

	// doubtPause is how long a sensor that was found absurd is left alone
	// before it is given another chance.
	doubtPause = 30 * time.Second

	// readySigma is the error of the background with which it is believed
	// for the first time.
	readySigma = 0.06
)

// Step takes the next snapshot and the band to hold, and returns what to do
// until the one after. A snapshot whose clocks stood still, went back or
// jumped is harmless: it adds to how long the controller has been blind and to
// nothing else.
func (c *Controller) Step(s Snapshot, band Band, aim Aim) Output {
	if !(s.CPUs > 0) { // nothing can be said of such a host: as if not read
		if c.last.CPUs == 0 {
			return Output{}
		}
		s.Total, s.Busy, s.CPUs = c.last.Total, c.last.Busy, c.last.CPUs
	}
	s.Room = max(s.Room, 0)
	if c.last.CPUs == 0 {
		c.last = s
		c.rebase(s)
	}
	dt := max(s.At-c.last.At, 0)
	noise := noiseOf(s.CPUs)
	c.account(s, dt)
	c.observe(s, dt, noise)
	c.last = s

	rest, sigma, ok := c.rest.mean(noise)
	c.ready = c.ready || ok && sigma < readySigma
	if ok && c.ready {
		c.doubt(rest+3*sigma, dt)
		c.want = aimAt(band, aim, noise, s.CPUs) - min(max(rest, -excuse(c.target)), 1)
	}
	trust, trouble := c.trust()
	if trust == 0 {
		c.want = 0
	}
	c.target = min(max(c.want, 0), min(s.Room/s.CPUs, 1)) * trust
	out := c.actuate(s)
	out.Background, out.Sigma, out.Ready, out.Trouble = rest, sigma, c.ready, trouble
	return out
}

// account adds to the debt what the last step wanted and the workers did not
// deliver.
func (c *Controller) account(s Snapshot, dt time.Duration) {
	own := (s.Own - c.last.Own).Seconds() / s.CPUs
	c.debt += c.target*dt.Seconds() - max(own, 0)
	c.debt = min(max(c.debt, -debtMax), debtMax)
	if c.target == 0 || c.rest.recent(0.2) > saturated {
		c.debt = min(c.debt, 0)
	}
	if c.blind > holdBlind {
		c.debt = 0
	}
}

// observe feeds the estimator with what was added since the last reading that
// made sense.
func (c *Controller) observe(s Snapshot, dt time.Duration, noise clockNoise) {
	d := point{
		at:    (s.At - c.seen.At).Seconds(),
		total: (s.Total - c.seen.Total).Seconds() / s.CPUs,
		busy:  (s.Busy - c.seen.Busy).Seconds() / s.CPUs,
		own:   (s.Own - c.seen.Own).Seconds() / s.CPUs,
	}
	c.blind += dt
	switch {
	case s.CPUs != c.seen.CPUs:
		// Shares of another host: nothing known is worth keeping.
		c.rebase(s)
	case d.total == 0:
		// Nothing new. The next reading may well cover the time until then.
	case !plausible(d):
		c.seen = s
	default:
		if c.blind > holdBlind+fadeBlind {
			c.rebase(c.seen)
		}
		c.seen, c.blind = s, 0
		c.sum = point{at: c.sum.at + d.at, total: c.sum.total + d.total, busy: c.sum.busy + d.busy, own: c.sum.own + d.own}
		c.rest.add(c.sum, noise)
	}
}

// rebase forgets the background and starts measuring at s.
func (c *Controller) rebase(s Snapshot) {
	c.seen = s
	c.ready = false
	c.rest.reset()
	c.rest.add(c.sum, clockNoise{})
}

// plausible reports whether a difference of clocks can be true. All CPU time
// of a host passes like the wall clock; a reader that is late shows less once
// and more the next time. CPU hotplug makes idle time jump by hours, back and
// forth. A group may use its quota for a period of 100 ms at once.
func plausible(d point) bool {
	const late = 0.1 // s
	return d.at > 0 && d.total > 0 && d.total < 1.5*d.at+late &&
		d.busy >= 0 && d.busy <= d.total+late && d.own >= 0 && d.own < 1.5*d.at+late
}

// excuse returns by how much the host may seem less busy than this process
// makes it before the sensor is absurd. Kernels that count by sampling see
// bursts in step with their tick too rarely, and steal is in the clock of a
// thread but not in busy time.
func excuse(own float64) float64 { return 0.05 + 0.25*own }

// doubt keeps the time for which the readings have been absurd. Once the load
// is being taken away the readings say nothing any more, so the doubt stays
// until the pause is over.
func (c *Controller) doubt(rest float64, dt time.Duration) {
	switch {
	case c.doubtful > holdBlind+fadeBlind+doubtPause:
		c.doubtful = 0
	case c.doubtful > holdBlind, rest < -excuse(c.target):
		c.doubtful += dt
	default:
		c.doubtful = 0
	}
}

// trust returns which share of the load may stay, given the state of the
// sensor.
func (c *Controller) trust() (float64, Trouble) {
	left := func(bad time.Duration) float64 {
		return min(max(1-float64(bad-holdBlind)/float64(fadeBlind), 0), 1)
	}
	switch {
	case c.blind > holdBlind:
		return left(c.blind), SensorStalled
	case c.doubtful > holdBlind:
		return left(c.doubtful), SensorAbsurd
	}
	return 1, ""
}

// actuate turns the target into threads and duty.
func (c *Controller) actuate(s Snapshot) Output {
	room := min(s.Room, s.CPUs)
	ask := 0.0
	if c.target > 0 {
		ask = min(max(c.target+c.debt/repay, 0)*s.CPUs, room)
	}
	c.threads = threads(c.threads, ask, s.CPUs, room)
	out := Output{Threads: c.threads, Target: c.target}
	if c.threads > 0 {
		out.Duty = min(ask/float64(c.threads), 1)
	}
	return out
}

// threads returns how many threads shall make a load of ask CPUs when there
// are have now. It keeps the number while it can, and otherwise goes straight
// to what is needed, never one by one.
func threads(have int, ask, cpus, room float64) int {
	const (
		dutyMax = 0.85 // above: more threads, while there is room to react
		dutyMin = 0.60 // with one thread less above this: too many
		dutyNew = 0.72 // between, so that noise does not change the number again

		// A load too small to be worth a thread, as a share of the host.
		off = 0.002
		on  = 0.005
	)
	most := int(math.Ceil(room))
	switch {
	case ask < off*cpus, have == 0 && ask < on*cpus, most < 1:
		return 0
	case have > most, have == 0,
		ask > dutyMax*float64(have) && have < most,
		have > 1 && ask < dutyMin*float64(have-1):
		return min(max(int(math.Ceil(ask/dutyNew)), 1), most)
	}
	return have
}

// aimAt returns the utilisation to steer to.
func aimAt(b Band, aim Aim, noise clockNoise, cpus float64) float64 {
	mid := (b.Min + b.Max) / 2
	if aim == AimMid {
		return mid
	}
	// Three standard errors of a mean over one second, and for what a burst
	// adds a point of the host and two of a CPU.
	return min(b.Min+3*noise.of(1)+0.01+0.02/cpus, mid)
}
