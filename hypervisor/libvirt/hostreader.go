package libvirt

import (
	"errors"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/policy"
)

// hostReader reads the host's own counters. CPU time is counted from the first
// reading on, so that years of it on many CPUs fit a time.Duration, and so
// that a counter that goes back (lxcfs, CPU hotplug) does not go back here.
type hostReader struct {
	proc proc.FS

	mu          sync.Mutex
	seen        bool
	prev        proc.CPU
	busy, total time.Duration
	// ordinary is the memory without huge pages as it was at first: the host's
	// capacity, which others have been told. Pages that are set aside later
	// count as used.
	ordinary policy.Bytes
}

// capacity is the host's memory, without what was set aside as huge pages when
// it was first asked for.
func (r *hostReader) capacity() (policy.Bytes, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ordinary == 0 {
		memory, err := r.proc.Memory()
		if err != nil {
			return 0, err
		}
		r.ordinary = policy.Bytes(memory.Ordinary())
	}
	return r.ordinary, nil
}

func (r *hostReader) read() (policy.HostCounters, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var c policy.HostCounters
	stat, err := r.proc.Stat()
	if err != nil {
		return c, err
	}
	memory, err := r.proc.Memory()
	if err != nil {
		return c, err
	}
	if r.seen {
		step := stat.CPU.Sub(r.prev)
		r.busy += step.Busy().Duration()
		r.total += step.Total().Duration()
	}
	r.prev, r.seen = stat.CPU, true
	if r.ordinary == 0 {
		r.ordinary = policy.Bytes(memory.Ordinary())
	}
	c = policy.HostCounters{
		Busy:            r.busy,
		Total:           r.total,
		MemoryTotal:     r.ordinary,
		MemoryAvailable: policy.Bytes(memory.Room()),
		Known:           true,
	}
	pressure, err := r.proc.Pressure(proc.PressureCPU)
	switch {
	case err == nil:
		c.Stalled, c.PressureKnown = pressure.Some.Total, true
	case errors.Is(err, proc.ErrNoData):
		err = nil // this kernel has none, which is an answer
	}
	return c, err
}
