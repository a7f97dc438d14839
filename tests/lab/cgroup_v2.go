package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// groupsV2 are control groups of version 2: one tree.
//
// A group of version 2 that hands controllers on to groups below it must not
// hold processes itself, and libvirtd makes groups for its guests below the
// host's. So a host's processes live one level down, in a group of their own;
// but its first ones begin in the host's own group, because where a process makes
// a cgroup namespace decides what its root is.
type groupsV2 struct {
	root string // where the file system is mounted
	tag  string
}

const leafV2 = "system"

var controllersV2 = []string{"cpu", "cpuset", "memory"}

func newGroupsV2(tag, mountPoint string) (*groupsV2, error) {
	if mountPoint == "" {
		return nil, fmt.Errorf("no cgroup file system is mounted")
	}
	b, err := os.ReadFile(filepath.Join(mountPoint, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	for _, c := range controllersV2 {
		if !strings.Contains(" "+strings.TrimSpace(string(b))+" ", " "+c+" ") {
			return nil, fmt.Errorf("cgroup version 2 at %s has no %s controller", mountPoint, c)
		}
	}
	return &groupsV2{mountPoint, tag}, nil
}

func (g *groupsV2) dir(member string) string { return filepath.Join(g.root, g.tag, member) }

func (g *groupsV2) create(member string, memoryMiB, weight int) error {
	if err := os.MkdirAll(filepath.Join(g.dir(member), leafV2), 0o755); err != nil {
		return err
	}
	// Controllers are handed down step by step, from the root to the member.
	for _, dir := range []string{g.root, g.dir("")} {
		if err := writeFile(dir, "cgroup.subtree_control", "+"+strings.Join(controllersV2, " +")); err != nil {
			return fmt.Errorf("hand on controllers (possible only from a group without processes): %w", err)
		}
	}
	if err := writeFile(g.dir(""), "cpu.weight", strconv.Itoa(min(max(weight*100/1024, 1), 10000))); err != nil {
		return err
	}
	if memoryMiB == 0 {
		return nil
	}
	return writeFile(g.dir(member), "memory.max", strconv.Itoa(memoryMiB<<20))
}

// enter uses clone3's CLONE_INTO_CGROUP, which needs no view of the file system
// from inside.
func (g *groupsV2) enter(member string, inside bool, cmd *exec.Cmd) (func(), error) {
	dir := filepath.Join(g.dir(member), leafV2)
	if !inside && member != machineName {
		dir = g.dir(member)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.UseCgroupFD = true
	cmd.SysProcAttr.CgroupFD = int(f.Fd())
	return func() { f.Close() }, nil
}

func (g *groupsV2) settle(member string) error {
	b, err := os.ReadFile(filepath.Join(g.dir(member), "cgroup.procs"))
	if err != nil {
		return err
	}
	for pid := range strings.FieldsSeq(string(b)) {
		if err := writeFile(g.dir(member), leafV2+"/cgroup.procs", pid); err != nil {
			return err
		}
	}
	return nil
}

func (g *groupsV2) processes(member string) ([]int, error) { return processesBelow(g.dir(member)) }

func (g *groupsV2) members() ([]string, error) { return subdirectories(g.dir("")) }

func (g *groupsV2) remove(member string) error { return removeTree(g.dir(member)) }

func (g *groupsV2) setCapacity(member string, percent int) error {
	quota := "max"
	if percent > 0 {
		quota = strconv.FormatInt(int64(percent)*quotaPeriod.Microseconds()/100, 10)
	}
	return writeFile(g.dir(member), "cpu.max", fmt.Sprintf("%s %d", quota, quotaPeriod.Microseconds()))
}

func (g *groupsV2) capacity(member string) (int, error) {
	b, err := os.ReadFile(filepath.Join(g.dir(member), "cpu.max"))
	if err != nil {
		return 0, err
	}
	quota, _, _ := strings.Cut(string(b), " ")
	if quota == "max" {
		return 0, nil
	}
	us, err := strconv.ParseInt(quota, 10, 64)
	return int(us * 100 / quotaPeriod.Microseconds()), err
}

func (g *groupsV2) usage(member string) (time.Duration, error) {
	us, err := readKey(g.dir(member), "cpu.stat", "usage_usec")
	return time.Duration(us) * time.Microsecond, err
}

func (g *groupsV2) throttled(member string) (t Throttling, err error) {
	if t.Periods, err = readKey(g.dir(member), "cpu.stat", "nr_periods"); err != nil {
		return t, err
	}
	t.Throttled, err = readKey(g.dir(member), "cpu.stat", "nr_throttled")
	return t, err
}

func (g *groupsV2) freeze(member string, frozen bool) error {
	var value int64
	if frozen {
		value = 1
	}
	if err := writeFile(g.dir(member), "cgroup.freeze", strconv.FormatInt(value, 10)); err != nil {
		return err
	}
	return await(func() (bool, error) {
		state, err := readKey(g.dir(member), "cgroup.events", "frozen")
		return state == value, err
	})
}

func (g *groupsV2) frozen(member string) (bool, error) {
	n, err := readInt(g.dir(member), "cgroup.freeze")
	return n != 0, err
}

func (g *groupsV2) parents() (cpu, cpuacct, memory string) { return g.dir(""), g.dir(""), g.dir("") }

func (g *groupsV2) mounts() []string { return nil }
