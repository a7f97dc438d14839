package access

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Credentials are who the process at the other end of a unix socket is, as the
// kernel noted when it connected.
type Credentials struct {
	PID int32
	UID uint32
	// Groups holds the process's group and its supplementary groups.
	Groups []uint32
}

// In reports whether the process has the group.
func (c Credentials) In(gid uint32) bool { return slices.Contains(c.Groups, gid) }

// errNoSocket: the connection is no unix socket of this process.
var errNoSocket = errors.New("not a unix socket")

// PeerCredentials asks the kernel about the other end of a connection.
func PeerCredentials(conn net.Conn) (Credentials, error) {
	for {
		wrapped, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = wrapped.NetConn()
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return Credentials{}, errNoSocket
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var c Credentials
	var failed error
	err = raw.Control(func(fd uintptr) { c, failed = credentials(int(fd)) })
	return c, errors.Join(err, failed)
}

func credentials(fd int) (Credentials, error) {
	u, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Credentials{}, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	c := Credentials{PID: u.Pid, UID: u.Uid, Groups: []uint32{u.Gid}}
	more, err := peerGroups(fd)
	if err != nil {
		return Credentials{}, fmt.Errorf("SO_PEERGROUPS: %w", err)
	}
	c.Groups = append(c.Groups, more...)
	return c, nil
}

// peerGroups reads the supplementary groups, which the credentials of
// SO_PEERCRED leave out (socket(7)). They are those of the process itself: a
// group that the user database has gained since does not count, one that the
// process has given up does not either.
func peerGroups(fd int) ([]uint32, error) {
	// A process has at most NGROUPS_MAX groups, which the kernel puts at 65536.
	for n := 64; n <= 1<<16; n *= 4 {
		groups := make([]uint32, n)
		size := uint32(len(groups)) * uint32(unsafe.Sizeof(groups[0]))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch errno {
		case 0:
			return groups[:size/uint32(unsafe.Sizeof(groups[0]))], nil
		case unix.ERANGE:
			continue
		default:
			return nil, errno
		}
	}
	return nil, unix.ERANGE
}
