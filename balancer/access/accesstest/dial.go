// Package accesstest passes for other users at a unix socket, for tests of who
// may do what. It needs root.
package accesstest

import (
	"net"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// User is a process, or a thread that passes for one.
type User struct {
	UID, GID uint32
	// Groups are the supplementary ones.
	Groups []uint32
}

// Dial connects to a unix socket as somebody else: on a thread of its own, which
// then ends. The kernel notes the credentials of the thread.
func Dial(u User, path string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := become(u); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.Dial("unix", path)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// become changes this thread's credentials, by raw calls: the other threads stay
// who they are.
func become(u User) error {
	none := uint32(0)
	list := uintptr(unsafe.Pointer(&none))
	if len(u.Groups) > 0 {
		list = uintptr(unsafe.Pointer(&u.Groups[0]))
	}
	for _, call := range [][4]uintptr{
		{unix.SYS_SETGROUPS, uintptr(len(u.Groups)), list, 0},
		{unix.SYS_SETRESGID, uintptr(u.GID), uintptr(u.GID), uintptr(u.GID)},
		{unix.SYS_SETRESUID, uintptr(u.UID), uintptr(u.UID), uintptr(u.UID)},
	} {
		if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
			return errno
		}
	}
	return nil
}
