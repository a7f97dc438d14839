package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// procID names a process for as long as the machine runs. A PID alone does not:
// it is used again once its process is gone.
type procID struct {
	PID int
	// Start is the process's start time in clock ticks since boot, field 22 of
	// /proc/PID/stat (proc(5)).
	Start uint64
}

// identify reads a process's start time. The process may be gone: os.ErrNotExist.
func identify(pid int) (procID, error) {
	_, start, err := readStat(pid)
	return procID{pid, start}, err
}

// readStat returns the state letter and the start time of a process.
func readStat(pid int) (state byte, start uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, unix.ESRCH) { // gone between open and read
		err = os.ErrNotExist
	}
	if err != nil {
		return 0, 0, err
	}
	// The second field is the name in parentheses and may hold anything.
	rest := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(rest) < 20 {
		return 0, 0, fmt.Errorf("/proc/%d/stat has %d fields after the name, want 20 or more", pid, len(rest))
	}
	start, err = strconv.ParseUint(rest[19], 10, 64)
	return rest[0][0], start, err
}

// alive reports whether the process still runs. A zombie does not.
func (p procID) alive() bool {
	state, start, err := readStat(p.PID)
	return err == nil && start == p.Start && state != 'Z' && state != 'X'
}

// signal sends the process a signal, or does nothing if it is gone. The check
// of its identity comes after a descriptor has pinned the PID, so that the
// signal can reach no other process.
func (p procID) signal(sig syscall.Signal) error {
	fd, err := p.open()
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	defer unix.Close(fd)
	err = unix.PidfdSendSignal(fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// open returns a descriptor that stands for the process and nothing else.
func (p procID) open() (int, error) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, os.ErrNotExist
	}
	if err != nil {
		return -1, fmt.Errorf("pidfd of %d: %w", p.PID, err)
	}
	if !p.alive() {
		unix.Close(fd)
		return -1, os.ErrNotExist
	}
	return fd, nil
}

// namespacePIDs are the PIDs of a process in each PID namespace it is in,
// outermost (ours) first.
func namespacePIDs(pid int) ([]int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return ints(strings.Fields(rest))
		}
	}
	return nil, fmt.Errorf("/proc/%d/status has no NSpid", pid)
}

func ints(fields []string) ([]int, error) {
	out := make([]int, len(fields))
	for i, f := range fields {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// commandLine is a process's arguments, or nil if it is gone.
func commandLine(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// poll asks until done says true, ctx ends, or done fails.
func poll(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
