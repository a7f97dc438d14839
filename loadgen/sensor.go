package loadgen

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// Scope is what the band is about.
type Scope string

const (
	// ScopeHost is everything that the stat file shows.
	ScopeHost Scope = "host"
	// ScopeCgroup is the CPU limit of the control group this process is in.
	ScopeCgroup Scope = "cgroup"
)

// Counting says what counts as busy besides the work of this host.
//
// By default neither does: iowait is idle time with a note attached, and
// stolen time was used by nobody here. Tools that print 100 - %idle (sar)
// count both.
type Counting struct {
	Steal, IOWait bool
}

// sensor reads the clocks of a host or a group.
type sensor interface {
	// read returns the clocks. It does not allocate.
	read() (Snapshot, error)
	close() error
}

// hostSensor reads the stat file.
type hostSensor struct {
	reader *proc.CPUReader
	count  Counting
	origin time.Time
	last   proc.CPU
	sum    Snapshot
	size   size
}

func newHostSensor(fs proc.FS, count Counting, origin time.Time) (*hostSensor, error) {
	r, err := fs.OpenCPU()
	if err != nil {
		return nil, err
	}
	s := &hostSensor{reader: r, count: count, origin: origin}
	if s.last, err = r.Read(); err != nil {
		return nil, err
	}
	return s, nil
}

// read sums up differences, in which counters that went back count as
// standing still. When idle time goes back, as it does when a CPU goes
// offline, the whole difference is worthless: without its idle part it would
// look like a busy host.
func (s *hostSensor) read() (Snapshot, error) {
	now, err := s.reader.Read()
	s.sum.At = time.Since(s.origin)
	s.sum.Own = processCPU()
	if err != nil {
		return s.sum, err
	}
	d, before := now.Sub(s.last), s.last
	s.last = now
	s.sum.CPUs = s.size.cpus(now.Online, s.sum.At, s.sum.Total)
	if now.Idle+proc.Ticks(2*now.Online) < before.Idle {
		return s.sum, nil
	}
	busy := d.Busy()
	if s.count.Steal {
		busy += d.Steal
	}
	if s.count.IOWait {
		busy += d.IOWait
	}
	s.sum.Busy += busy.Duration()
	s.sum.Total += d.Total().Duration()
	s.sum.Stolen += d.Steal.Duration()
	return s.sum, nil
}

func (s *hostSensor) close() error { return s.reader.Close() }

// size finds out how many CPUs the counters are about. That is the number of
// CPU lines, except where a container's limit is shown as a slower clock: lxcfs
// lets one CPU with a quota of 60 % have 0.6 s of time in a second.
type size struct {
	online int
	share  float64 // of those CPUs
	next   float64 // what the last second says
	at     time.Duration
	total  time.Duration
}

// cpus takes the time passed and what the counters say has passed.
func (z *size) cpus(online int, at, total time.Duration) float64 {
	const (
		every = time.Second
		same  = 0.05 // of the host: counters are not that exact
		least = 0.01 // below, they stand still
	)
	if online != z.online {
		*z = size{online: online, share: 1, next: 1, at: at, total: total}
	}
	if dt := at - z.at; dt >= every {
		seen := (total - z.total).Seconds() / dt.Seconds() / float64(online)
		z.at, z.total = at, total
		if seen > 1-same {
			seen = 1
		}
		// Twice the same, so that a stall is not mistaken for a limit.
		if math.Abs(seen-z.next) < same && math.Abs(seen-z.share) >= same && seen > least {
			z.share = seen
		}
		z.next = seen
	}
	return z.share * float64(online)
}

// groupSensor reads the usage of a control group and holds it against the
// group's size in CPUs.
type groupSensor struct {
	usage  counter
	origin time.Time
	size   func() float64
	last   Snapshot
}

func newGroupSensor(g group, size func() float64, origin time.Time) (*groupSensor, error) {
	c, err := openCounter(g)
	if err != nil {
		return nil, err
	}
	return &groupSensor{usage: c, origin: origin, size: size}, nil
}

func (s *groupSensor) read() (Snapshot, error) {
	used, err := s.usage.read()
	now := Snapshot{At: time.Since(s.origin), Own: processCPU(), Busy: s.last.Busy, CPUs: s.size()}
	now.Total = s.last.Total
	if err == nil {
		now.Busy = used
		now.Total += time.Duration(float64(now.At-s.last.At) * now.CPUs)
	}
	s.last = now
	return now, err
}

func (s *groupSensor) close() error { return s.usage.close() }

// affinity returns the CPUs that this process may run on.
func affinity() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(unix.Getpid(), &set); err != nil {
		return 0, fmt.Errorf("read the CPU affinity: %w", err)
	}
	return set.Count(), nil
}
