package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespacesAll are those that make up a host.
const namespacesAll = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET |
	unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP

// inNamespaces runs fn on a thread of its own that has entered the given
// namespaces of a process. What fn starts (processes) or opens (sockets, files)
// belongs there for good. The PID namespace is that of fn's children only; fn
// itself stays in ours.
//
// The thread ends with the call: a thread in foreign namespaces must not go
// back to the scheduler. Go starts new threads from a clean one meanwhile (see
// runtime.LockOSThread), so nothing else of the program is affected.
func inNamespaces(of procID, which int, fn func() error) error {
	fd, err := of.open()
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("process %d is gone", of.PID)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return onThrowAwayThread(func() error {
		// A thread that shares its root and working directory with others may
		// not change its mount namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := unix.Setns(fd, which); err != nil {
			return fmt.Errorf("setns to process %d: %w", of.PID, err)
		}
		return fn()
	})
}

// onThrowAwayThread runs fn on a thread that ends with it.
//
// It must not be the program's first thread: that one cannot end, only stop, so
// it would hold the namespaces for as long as the program runs, and /proc/self
// would show them as the program's.
func onThrowAwayThread(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// Another goroutine gets another thread while this one is taken.
			result <- onThrowAwayThread(fn)
			runtime.UnlockOSThread()
			return
		}
		result <- fn() // and never unlock
	}()
	return <-result
}
