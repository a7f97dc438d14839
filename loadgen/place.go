package loadgen

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Nice says how readily the workers give way to other threads.
type Nice struct {
	// Idle selects SCHED_IDLE, which yields to every thread of normal policy.
	Idle bool
	// Level is the nice level 0..19 if Idle is not set.
	Level int
}

// placement is where and with what weight a worker runs.
type placement struct {
	nice Nice
	cpus *unix.CPUSet // nil: wherever the process may run
}

func newPlacement(nice Nice, cpus []int) placement {
	p := placement{nice: nice}
	if len(cpus) > 0 {
		p.cpus = new(unix.CPUSet)
		for _, c := range cpus {
			p.cpus.Set(c)
		}
	}
	return p
}

// try applies the placement on a thread of its own, to learn of a refusal
// before any worker is needed.
func (p placement) try() error {
	if p.cpus == nil {
		return nil
	}
	var now unix.CPUSet
	if err := unix.SchedGetaffinity(0, &now); err != nil {
		return fmt.Errorf("read the CPU affinity: %w", err)
	}
	for c := range len(now) * 64 {
		if p.cpus.IsSet(c) && !now.IsSet(c) {
			return fmt.Errorf("CPU %d is not among those this process may use", c)
		}
	}
	return nil
}

// apply works on the calling thread. The kernel refuses neither to anyone who
// may run at all; a refusal by a sandbox costs politeness, not correctness, so
// it is not an error.
func (p placement) apply() {
	name := [...]byte{'l', 'o', 'a', 'd', 'g', 'e', 'n', '-', 'b', 'u', 'r', 'n', 0}
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	if p.nice.Idle {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
	} else {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, p.nice.Level)
	}
	if p.cpus != nil {
		_ = unix.SchedSetaffinity(0, p.cpus)
	}
}

// restore gives a thread its normal weight back where that is allowed (root,
// or RLIMIT_NICE).
func restore(tid int) {
	_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
	_ = unix.Setpriority(unix.PRIO_PROCESS, tid, 0)
}

func threadID() int { return unix.Gettid() }

// threadCPU returns the CPU time that the calling thread has used.
func threadCPU() time.Duration { return cpuClock(unix.CLOCK_THREAD_CPUTIME_ID) }

// processCPU returns the CPU time that all threads of the process have used.
// The kernel adds what a running thread has used since the last tick only for
// the caller, so it lags by up to a tick for each of the others.
func processCPU() time.Duration { return cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID) }

// cpuClock reads a CPU clock. The call takes a microsecond and never waits, so
// the Go scheduler need not be told of it.
func cpuClock(id uintptr) time.Duration {
	var ts unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		panic(fmt.Sprintf("loadgen: CPU clock %d: %v", id, errno)) // every Linux has both
	}
	return time.Duration(ts.Nano())
}

// lowerSession gives the whole session least weight while others want the CPU
// and returns how to undo it. Where the scheduler groups by session
// (autogroup), the nice level of a thread counts only within its session, so
// without this two sessions share a CPU half and half whatever their threads
// ask for.
//
// Other programs of the session are lowered as well, and so is the control
// thread. It therefore happens only on request, or when this process leads the
// session and so is most likely alone in it (a service, a remote command).
func lowerSession(request bool) (undo func()) {
	const file = "/proc/self/autogroup"
	nothing := func() {}
	if sid, err := unix.Getsid(0); !request && (err != nil || sid != os.Getpid()) {
		return nothing
	}
	b, err := os.ReadFile(file) // "/autogroup-16 nice 0"
	if err != nil {
		return nothing
	}
	_, level, ok := strings.Cut(strings.TrimSpace(string(b)), " nice ")
	if _, err := strconv.Atoi(level); !ok || err != nil {
		return nothing
	}
	if os.WriteFile(file, []byte("19"), 0) != nil {
		return nothing
	}
	return func() { _ = os.WriteFile(file, []byte(level), 0) }
}
