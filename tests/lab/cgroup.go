package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groups are the lab's control groups: one for each member (a host, or the
// machine that joins them) below one for the whole lab. They bound what a host
// may use, and they are also the lab's memory: every process in them is the
// lab's and no other is, whatever became of the lab's files and of the program
// that started it.
//
// Two implementations, for the two versions of the kernel's interface.
type groups interface {
	// create makes a member's group if need be.
	create(member string, memoryMiB, weight int) error
	// enter makes cmd start as a process of the group. The group is reached as
	// it is seen from outside or, with inside, from within the member's own
	// namespaces. The returned function is to be called after cmd has started.
	enter(member string, inside bool, cmd *exec.Cmd) (func(), error)
	// settle is called when a host's first processes, which entered from
	// outside, have made its namespaces.
	settle(member string) error
	// processes lists the PIDs in the group and all below it; of a group that
	// does not exist, none.
	processes(member string) ([]int, error)
	// members lists the groups that exist.
	members() ([]string, error)
	// remove removes the group and all below it; they must be empty of
	// processes. Without a member, the whole lab's.
	remove(member string) error

	setCapacity(member string, percent int) error // 0 = no limit
	capacity(member string) (percent int, err error)
	usage(member string) (time.Duration, error)
	throttled(member string) (Throttling, error)
	freeze(member string, frozen bool) error
	frozen(member string) (bool, error)

	// parents are the directories that the members' groups lie in.
	parents() (cpu, cpuacct, memory string)
	// mounts says what a host must mount to see its own groups as the roots:
	// "controllers" options of version 1 hierarchies, or none for version 2.
	mounts() []string
}

// Throttling counts how a host's capacity held it back.
type Throttling struct {
	// Periods of 100 ms in which the host ran at all, and of those the ones in
	// which it ran into its limit.
	Periods, Throttled int64
}

// quotaPeriod is the kernel's default: a host that has used up its share waits
// for the rest of the period.
const quotaPeriod = 100 * time.Millisecond

// findGroups chooses by what the machine has mounted.
func findGroups(tag string) (groups, error) {
	hierarchies, unified, err := cgroupMounts("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	v1, missing := newGroupsV1(tag, hierarchies)
	if len(missing) == 0 {
		return v1, nil
	}
	v2, err := newGroupsV2(tag, unified)
	if err != nil {
		return nil, fmt.Errorf("control groups: version 1 lacks %s; %w", strings.Join(missing, ", "), err)
	}
	return v2, nil
}

// hierarchy is one mounted cgroup v1 hierarchy.
type hierarchy struct {
	controllers []string
	mountPoint  string
	// root is the group that the mount point shows: "/" but in some containers.
	root string
}

// cgroupMounts lists the control group file systems of a mountinfo file
// (proc_pid_mountinfo(5)): the version 1 hierarchies that have controllers, and
// where version 2 is mounted, if it is.
func cgroupMounts(mountinfo string) (v1 []hierarchy, v2 string, err error) {
	b, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil, "", err
	}
	for line := range strings.Lines(string(b)) {
		before, after, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(g) < 3 {
			continue
		}
		switch g[0] {
		case "cgroup2":
			v2 = f[4]
		case "cgroup":
			var controllers []string
			for option := range strings.SplitSeq(g[2], ",") {
				if option != "rw" && option != "ro" && !strings.Contains(option, "=") &&
					option != "xattr" && option != "noprefix" && option != "clone_children" {
					controllers = append(controllers, option)
				}
			}
			if len(controllers) > 0 {
				v1 = append(v1, hierarchy{controllers, f[4], f[3]})
			}
		}
	}
	return v1, v2, nil
}

// ---- what both versions share: a group is a directory of small files ----

// await waits until a change has taken effect, which takes the kernel a moment.
func await(done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return poll(ctx, time.Millisecond, done)
}

func writeFile(dir, name, value string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(value), 0)
}

func readInt(dir, name string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// readKey returns one value of a file of "key value" lines.
func readKey(dir, name, key string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if k, v, _ := strings.Cut(strings.TrimSpace(line), " "); k == key {
			return strconv.ParseInt(v, 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", filepath.Join(dir, name), key)
}

// processesBelow collects the PIDs of a group and all groups below it.
func processesBelow(dir string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) { // went while we looked
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			// ENOTSUP: a threaded group of version 2; its processes are the parent's
			if os.IsNotExist(err) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOTSUP) {
				return nil
			}
			return err
		}
		more, err := ints(strings.Fields(string(b)))
		pids = append(pids, more...)
		return err
	})
	return pids, err
}

// removeTree removes a group and all below it, deepest first.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !os.IsNotExist(err) {
		return &os.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

func subdirectories(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}
