package libvirt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// sight is what this host sees at a path.
type sight struct {
	hypervisor.File
	missing bool
	// denied: this process may not look. libvirtd, which is root, may.
	denied bool
}

// look describes the file or device at a path. It may hang with the file
// system, so it runs inside a call.
func look(path string) (sight, error) {
	s := sight{File: hypervisor.File{Path: path}}
	var err error
	if s.FileSystem, err = fsType(path); errors.Is(err, fs.ErrPermission) {
		s.denied = true
		s.FileSystem, err = lexicalType(path)
	}
	if err != nil {
		return s, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.missing = true
		return s, nil
	case errors.Is(err, fs.ErrPermission):
		s.denied = true
		return s, nil
	case err != nil:
		return s, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return s, nil
	}
	if info.Mode()&fs.ModeDevice != 0 {
		s.Size, s.Identity = blockDevice("/sys/dev/block", stat.Rdev)
		return s, nil
	}
	s.Size = policy.Bytes(info.Size())
	s.Identity = fileIdentity(path, s.FileSystem, stat.Ino)
	return s, nil
}

// lexicalType is fsType for a path that cannot be followed link by link.
func lexicalType(path string) (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return mountType(table, filepath.Clean(path))
}

// fileIdentity names a file by what all hosts that share it agree on. Network
// and cluster file systems give a file the same inode number on each of them;
// SMB's may be made up by the client. Of a local file system the file system's
// own identity is a part, so that two local ones do not look like one.
func fileIdentity(path, fsKind string, inode uint64) string {
	switch fsKind {
	case "cifs", "smb3", "smbfs", "afs":
		return ""
	}
	if _, shared := sharedFileSystems[fsKind]; shared {
		return fmt.Sprintf("inode/%d", inode)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return ""
	}
	return fmt.Sprintf("%s/%x/inode/%d", fsKind, s.Fsid.X__val, inode)
}

// blockDevice reads a device's size, and the name that it has wherever it is
// attached: that of the device mapper (LVM's and multipath's hold the UUID of
// what is on the disk) or its world-wide one.
func blockDevice(sys string, rdev uint64) (policy.Bytes, string) {
	major := rdev>>8&0xfff | rdev>>32&^0xfff
	minor := rdev&0xff | rdev>>12&^0xff
	dir := filepath.Join(sys, fmt.Sprintf("%d:%d", major, minor))
	word := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	var sectors int64
	_, _ = fmt.Sscan(word("size"), &sectors)
	size := policy.Bytes(max(0, min(sectors, 1<<50))) * 512
	for _, name := range []string{"dm/uuid", "wwid", "device/wwid"} {
		if id := word(name); id != "" {
			return size, "device/" + id
		}
	}
	return size, ""
}
