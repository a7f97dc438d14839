package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// packages are the Debian packages that have what the lab runs.
var packages = []string{
	"libvirt-daemon-system", "libvirt-clients", "qemu-system-x86",
	"iproute2", "util-linux", "gcc", "libc6-dev",
}

// programs says which package has which program.
var programs = [][2]string{
	{"libvirtd", "libvirt-daemon-system"},
	{"virsh", "libvirt-clients"},
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"ip", "iproute2"},
	{"unshare", "util-linux"},
	{"gcc", "gcc"},
}

// Requirements lists what this machine lacks for a lab, one sentence each; a
// lab can be built if there is nothing.
func Requirements() []string {
	var lacks []string
	lack := func(format string, args ...any) { lacks = append(lacks, fmt.Sprintf(format, args...)) }
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		lack("Linux on x86-64 (the test guest is a 32-bit x86 program), this is %s on %s", runtime.GOOS, runtime.GOARCH)
		return lacks
	}
	if os.Geteuid() != 0 {
		lack("root: namespaces, control groups and libvirtd need it")
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		lack("/dev/fuse, for the hosts' /proc/stat (%v)", err)
	} else {
		f.Close()
	}
	if _, err := findGroups(tagPrefix); err != nil {
		lack("%v", err)
	}
	for _, p := range programs {
		if program(p[0]) == p[0] {
			lack("the program %s (Debian package %s)", p[0], p[1])
		}
	}
	return lacks
}

// sbin is where Debian has programs for root, which is not in everybody's PATH.
const sbin = "/usr/sbin:/sbin"

// program returns the path of a program, or the bare name if there is none.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range filepath.SplitList(sbin) {
		if path := filepath.Join(dir, name); isExecutable(path) {
			return path
		}
	}
	return name
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// environment is that of commands on nodes.
func environment(more ...string) []string {
	return append(append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+sbin), more...)
}

// MissingError is returned by Up on a machine where no lab can be built.
type MissingError struct{ Lacks []string }

func (e *MissingError) Error() string {
	return "the lab cannot run here; missing: " + strings.Join(e.Lacks, "; ")
}

// Install installs the programs that the lab needs, with apt, if any is
// missing. It says on w what it does.
func Install(ctx context.Context, w io.Writer) error {
	missing := false
	for _, p := range programs {
		missing = missing || program(p[0]) == p[0]
	}
	if !missing {
		fmt.Fprintln(w, "The lab's programs are installed.")
		return nil
	}
	if program("apt-get") == "apt-get" {
		return fmt.Errorf("install %s: no apt-get here, install them by hand", strings.Join(packages, " "))
	}
	fmt.Fprintln(w, "Installing for the lab:", strings.Join(packages, " "))
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = w, w
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	return nil
}
