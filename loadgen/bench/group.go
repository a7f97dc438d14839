package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// group is a control group that counts and weighs CPU time, in either version
// of the interface.
type group struct {
	dirs []string // v1: cpuacct first, then cpu if that is mounted apart
	v1   bool
}

const cgroupRoot = "/sys/fs/cgroup"

func newGroup(name string, weight int) (*group, error) {
	g := &group{}
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cpuacct")); err == nil {
		g.v1 = true
		g.dirs = []string{filepath.Join(cgroupRoot, "cpuacct", name)}
		if cpu := filepath.Join(cgroupRoot, "cpu"); !sameDir(cpu, filepath.Join(cgroupRoot, "cpuacct")) {
			g.dirs = append(g.dirs, filepath.Join(cpu, name))
		}
	} else {
		g.dirs = []string{filepath.Join(cgroupRoot, name)}
		// Groups inside need the controller too.
		_ = os.WriteFile(filepath.Join(filepath.Dir(g.dirs[0]), "cgroup.subtree_control"), []byte("+cpu"), 0)
	}
	for _, d := range g.dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
		if weight > 0 {
			_ = os.WriteFile(filepath.Join(d, "cpu.shares"), []byte(strconv.Itoa(weight)), 0)
			_ = os.WriteFile(filepath.Join(d, "cpu.weight"), []byte(strconv.Itoa(min(max(weight*100/1024, 1), 10000))), 0)
		}
	}
	return g, nil
}

func sameDir(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX != nil || errY != nil || os.SameFile(x, y)
}

// join moves a process into the group.
func (g *group) join(pid int) error {
	for _, d := range g.dirs {
		if err := os.WriteFile(filepath.Join(d, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return err
		}
	}
	return nil
}

// usage returns the exact CPU time that the group has used.
func (g *group) usage() time.Duration {
	if g.v1 {
		return time.Duration(number(filepath.Join(g.dirs[0], "cpuacct.usage")))
	}
	return time.Duration(keyed(filepath.Join(g.dirs[0], "cpu.stat"), "usage_usec")) * time.Microsecond
}

// perCPU returns the same by CPU, as far as the kernel tells.
func (g *group) perCPU(cpus int) []time.Duration {
	out := make([]time.Duration, cpus)
	if g.v1 {
		b, _ := os.ReadFile(filepath.Join(g.dirs[0], "cpuacct.usage_percpu"))
		for i, f := range strings.Fields(string(b)) {
			if i < cpus {
				n, _ := strconv.ParseInt(f, 10, 64)
				out[i] = time.Duration(n)
			}
		}
		return out
	}
	for i, u := range out {
		out[i] = u + g.usage()/time.Duration(cpus)
	}
	return out
}

// userSystem returns CPU time in user and kernel mode, as sampled by ticks.
func (g *group) userSystem() (user, system float64) {
	if g.v1 {
		path := filepath.Join(g.dirs[0], "cpuacct.stat")
		return float64(keyed(path, "user")), float64(keyed(path, "system"))
	}
	path := filepath.Join(g.dirs[0], "cpu.stat")
	return float64(keyed(path, "user_usec")), float64(keyed(path, "system_usec"))
}

func (g *group) pids() []int {
	b, err := os.ReadFile(filepath.Join(g.dirs[0], "cgroup.procs"))
	if err != nil {
		return nil
	}
	var out []int
	for f := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(f); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// remove deletes the group, which must be empty.
func (g *group) remove() error {
	var errs []error
	for _, d := range g.dirs {
		var err error
		for range 50 {
			if err = os.Remove(d); err == nil || errors.Is(err, os.ErrNotExist) {
				err = nil
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// homes returns the cgroup.procs files of the groups this process is in, to go
// back to.
func homes() ([]string, error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			if c == "cpu" || c == "cpuacct" || c == "" {
				path := filepath.Join(cgroupRoot, c, f[2], "cgroup.procs")
				if _, err := os.Stat(path); err == nil {
					out = append(out, path)
				}
			}
		}
	}
	return out, nil
}

func number(path string) int64 {
	b, _ := os.ReadFile(path)
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return n
}

// keyed returns the number after a key in a file of "key number" lines.
func keyed(path, key string) int64 {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		var k string
		var n int64
		if c, _ := fmt.Sscan(line, &k, &n); c == 2 && k == key {
			return n
		}
	}
	return 0
}
