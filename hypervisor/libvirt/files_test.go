package libvirt

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/policy"
)

const mountTable = `22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw - proc proc rw
40 22 0:44 / /mnt/my\040images rw,relatime shared:9 - nfs4 nas:/images rw,vers=4.2
41 40 0:45 / /mnt/my\040images/local rw - xfs /dev/vdb rw
42 22 0:46 / /srv rw - ext4 /dev/vdc rw
43 22 0:47 / /srv rw - ceph mon:/ rw
44 22 0:48 / /srv2 rw - tmpfs tmpfs rw
broken line
`

func TestMountType(t *testing.T) {
	for path, want := range map[string]string{
		"/":                           "ext4",
		"/var/lib/libvirt/images/a":   "ext4",
		"/mnt/my images/a.qcow2":      "nfs4",
		"/mnt/my images":              "nfs4",
		"/mnt/my images2/a":           "ext4",
		"/mnt/my images/local/a":      "xfs",
		"/srv/a":                      "ceph", // the later mount hides the earlier
		"/srv2/a":                     "tmpfs",
		"/proc/1":                     "proc",
		"/mnt/my images/localhost/a":  "nfs4",
		"/mnt/my images/local":        "xfs",
		"/srvx":                       "ext4",
		"/mnt/my\\040images/local/aa": "ext4",
	} {
		if got, err := mountType([]byte(mountTable), path); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", path, got, err, want)
		}
	}
	if _, err := mountType([]byte("nonsense"), "/a"); !errors.Is(err, errNoMount) {
		t.Errorf("without mounts: %v", err)
	}
}

func TestResolveFollowsLinksAsFarAsTheyGo(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"link":          "real",
		"link/not/here": "real/not/here",
		"real":          "real",
	} {
		got, err := resolve(filepath.Join(dir, in))
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	if _, err := resolve("relative"); err == nil {
		t.Error("a relative path is accepted")
	}
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := look(path)
	if err != nil || first.missing || first.denied || first.Size != 4096 || first.FileSystem == "" || first.Identity == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, _ := look(path); again != first {
		t.Errorf("%+v, then %+v", first, again)
	}
	other := filepath.Join(dir, "b")
	if err := os.WriteFile(other, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, _ := look(other); s.Identity == first.Identity {
		t.Errorf("two files, one identity: %s", s.Identity)
	}
	if s, err := look(filepath.Join(dir, "none")); err != nil || !s.missing || s.FileSystem != first.FileSystem {
		t.Errorf("a missing file: %+v, %v", s, err)
	}
	if s, err := look(dir); err != nil || s.missing {
		t.Errorf("a directory: %+v, %v", s, err)
	}
}

func TestFileIdentityByFileSystem(t *testing.T) {
	if a, b := fileIdentity("/", "nfs4", 7), fileIdentity("/", "nfs", 7); a == "" || a != b {
		t.Errorf("NFS under two names: %q, %q", a, b)
	}
	if id := fileIdentity("/", "cifs", 7); id != "" {
		t.Errorf("inode numbers of SMB mean nothing: %q", id)
	}
	if a, b := fileIdentity("/", "ext4", 7), fileIdentity("/", "ext4", 8); a == b {
		t.Errorf("two inodes: %q", a)
	}
}

func TestBlockDevice(t *testing.T) {
	sys := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(sys, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("253:3/size", "2048\n")
	write("253:3/dm/uuid", "LVM-abc\n")
	write("8:16/size", "16\n")
	write("8:16/device/wwid", "naa.5000\n")
	write("259:300/size", "lots\n")
	for _, c := range []struct {
		major, minor uint32
		size         policy.Bytes
		identity     string
	}{
		{253, 3, policy.MiB, "device/LVM-abc"},
		{8, 16, 8 * policy.KiB, "device/naa.5000"},
		{259, 300, 0, ""},
		{7, 0, 0, ""},
	} {
		size, identity := blockDevice(sys, unix.Mkdev(c.major, c.minor))
		if size != c.size || identity != c.identity {
			t.Errorf("%d:%d: %v, %q; want %v, %q", c.major, c.minor, size, identity, c.size, c.identity)
		}
	}
}

func TestPacemakerState(t *testing.T) {
	dir := t.TempDir()
	h := &Hypervisor{opts: Options{PacemakerState: dir}}
	if err := os.WriteFile(filepath.Join(dir, "VirtualDomain-web-emu.state"), []byte("qemu-system-x86_64\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !h.pacemaker("web") || h.pacemaker("db") || h.pacemaker("../"+filepath.Base(dir)+"/web") {
		t.Error("the wrong domains are taken for Pacemaker's")
	}
}

func TestPermissionIsNotAbsence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	type result struct {
		s   sight
		err error
	}
	done := make(chan result)
	go func() {
		// Root may look everywhere. This thread may not any more, and ends
		// with the goroutine.
		runtime.LockOSThread()
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&head, &none[0]); err != nil {
			done <- result{err: err}
			return
		}
		s, err := look(path)
		done <- result{s, err}
	}()
	r := <-done
	if r.err != nil || !r.s.denied || r.s.missing || r.s.FileSystem == "" {
		t.Errorf("%+v, %v", r.s, r.err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // so that it can be removed
		t.Error(err)
	}
}
