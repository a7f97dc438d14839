package lab

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// groupsV1 are control groups of version 1: the same tree of groups once in
// each hierarchy.
type groupsV1 struct {
	tag string
	// dirs has the lab's directory for each controller; controllers that are
	// mounted together have the same one.
	dirs        map[string]string
	hierarchies []hierarchy
}

// controllersV1 are what a host gets a group in; cpuset is for its libvirtd, which
// makes groups for guests there.
var controllersV1 = []string{"cpu", "cpuacct", "cpuset", "freezer", "memory"}

// newGroupsV1 also says which controllers are missing.
func newGroupsV1(tag string, mounted []hierarchy) (g *groupsV1, missing []string) {
	g = &groupsV1{tag: tag, dirs: map[string]string{}}
	for _, c := range controllersV1 {
		i := slices.IndexFunc(mounted, func(h hierarchy) bool { return slices.Contains(h.controllers, c) })
		if i < 0 {
			missing = append(missing, c)
			continue
		}
		h := mounted[i]
		g.dirs[c] = filepath.Join(h.mountPoint, tag)
		if c == "memory" && len(h.controllers) == 1 {
			g.dirs[c] = memoryDir(tag, h)
		}
		if !slices.ContainsFunc(g.hierarchies, func(o hierarchy) bool { return o.mountPoint == h.mountPoint }) {
			g.hierarchies = append(g.hierarchies, h)
		}
	}
	return g, missing
}

// memoryDir puts the lab's memory groups below the group that this process runs
// in, so that a limit on it goes on holding for the lab. The other controllers'
// go below the root, where only the lab's own limits apply. A lab that another
// process made may be elsewhere, so first look for it.
func memoryDir(tag string, h hierarchy) string {
	found := ""
	_ = filepath.WalkDir(h.mountPoint, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return nil
		case d.Name() == tag:
			found = path
			return filepath.SkipAll
		case strings.HasPrefix(d.Name(), tagPrefix):
			return filepath.SkipDir
		}
		return nil
	})
	if found != "" {
		return found
	}
	b, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && f[1] == "memory" {
			own := filepath.Join(h.mountPoint, strings.TrimPrefix(f[2], strings.TrimSuffix(h.root, "/")))
			if _, err := os.Stat(own); err == nil {
				return filepath.Join(own, tag)
			}
		}
	}
	return filepath.Join(h.mountPoint, tag)
}

func (g *groupsV1) dir(controller, member string) string {
	return filepath.Join(g.dirs[controller], member)
}

// each returns the member's directory in every hierarchy.
func (g *groupsV1) each(member string) []string {
	var all []string
	for _, c := range controllersV1 {
		if d := g.dir(c, member); !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}

func (g *groupsV1) create(member string, memoryMiB, weight int) error {
	for _, sub := range []string{"", member} {
		for _, dir := range g.each(sub) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		// A new cpuset is empty, and no process may enter an empty one.
		dir := g.dir("cpuset", sub)
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
			if err != nil {
				return err
			}
			if err := writeFile(dir, name, string(b)); err != nil {
				return err
			}
		}
	}
	if err := writeFile(g.dir("cpu", ""), "cpu.shares", strconv.Itoa(weight)); err != nil {
		return err
	}
	if memoryMiB == 0 {
		return nil
	}
	return writeFile(g.dir("memory", member), "memory.limit_in_bytes", fmt.Sprintf("%dM", memoryMiB))
}

// joinV1 makes a shell put itself into groups and then become the command: the
// first argument counts the cgroup.procs files that follow. A forked child of
// our own could not do it, because a group is left and entered by whole
// processes.
const joinV1 = `n=$1; shift; while [ $n -gt 0 ]; do echo 0 >"$1" || exit 126; shift; n=$((n-1)); done; exec "$@"`

func (g *groupsV1) enter(member string, inside bool, cmd *exec.Cmd) (func(), error) {
	dirs := g.each(member)
	if inside {
		dirs = nil
		for _, m := range g.mounts() {
			dirs = append(dirs, filepath.Join("/sys/fs/cgroup", m))
		}
	}
	args := []string{"sh", "-c", joinV1, "join", strconv.Itoa(len(dirs))}
	for _, d := range dirs {
		args = append(args, filepath.Join(d, "cgroup.procs"))
	}
	cmd.Args = append(args, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.Err = nil // the shell looks for the program, where the command will run
	return func() {}, nil
}

func (g *groupsV1) settle(string) error { return nil }

func (g *groupsV1) processes(member string) ([]int, error) {
	return processesBelow(g.dir("freezer", member))
}

func (g *groupsV1) members() ([]string, error) {
	var all []string
	for _, dir := range g.each("") {
		names, err := subdirectories(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (g *groupsV1) remove(member string) error {
	for _, dir := range g.each(member) {
		if err := removeTree(dir); err != nil {
			return err
		}
	}
	return nil
}

func (g *groupsV1) setCapacity(member string, percent int) error {
	quota := int64(-1)
	if percent > 0 {
		quota = int64(percent) * quotaPeriod.Microseconds() / 100
	}
	return writeFile(g.dir("cpu", member), "cpu.cfs_quota_us", strconv.FormatInt(quota, 10))
}

func (g *groupsV1) capacity(member string) (int, error) {
	quota, err := readInt(g.dir("cpu", member), "cpu.cfs_quota_us")
	return int(max(quota, 0) * 100 / quotaPeriod.Microseconds()), err
}

func (g *groupsV1) usage(member string) (time.Duration, error) {
	ns, err := readInt(g.dir("cpuacct", member), "cpuacct.usage")
	return time.Duration(ns), err
}

func (g *groupsV1) throttled(member string) (t Throttling, err error) {
	if t.Periods, err = readKey(g.dir("cpu", member), "cpu.stat", "nr_periods"); err != nil {
		return t, err
	}
	t.Throttled, err = readKey(g.dir("cpu", member), "cpu.stat", "nr_throttled")
	return t, err
}

func (g *groupsV1) freeze(member string, frozen bool) error {
	state := "THAWED"
	if frozen {
		state = "FROZEN"
	}
	dir := g.dir("freezer", member)
	if err := writeFile(dir, "freezer.state", state); err != nil {
		return err
	}
	// "FREEZING" until the last of the processes has stopped
	return await(func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(dir, "freezer.state"))
		return strings.TrimSpace(string(b)) == state, err
	})
}

func (g *groupsV1) frozen(member string) (bool, error) {
	b, err := os.ReadFile(filepath.Join(g.dir("freezer", member), "freezer.state"))
	return err == nil && strings.TrimSpace(string(b)) != "THAWED", err
}

func (g *groupsV1) parents() (cpu, cpuacct, memory string) {
	return g.dirs["cpu"], g.dirs["cpuacct"], g.dirs["memory"]
}

func (g *groupsV1) mounts() []string {
	var m []string
	for _, h := range g.hierarchies {
		m = append(m, strings.Join(h.controllers, ","))
	}
	return m
}
