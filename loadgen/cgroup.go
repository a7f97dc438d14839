package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// group is the control group that limits this process most: its own or an
// ancestor.
type group struct {
	dir   string
	v2    bool
	quota float64 // CPUs; 0 without a limit
}

// hierarchy is where the CPU controller of a version is mounted, and where in
// it this process is.
type hierarchy struct {
	mount, path string
	v2          bool
}

// findGroup returns the group with the smallest CPU quota on the way from this
// process to the root; the own group if there is no quota at all.
//
// What is above the root of a cgroup namespace cannot be seen from inside.
func findGroup(root proc.FS) (group, error) {
	h, err := findHierarchy(root)
	if err != nil {
		return group{}, err
	}
	best := group{dir: filepath.Join(h.mount, h.path), v2: h.v2}
	for path := h.path; ; path = filepath.Dir(path) {
		dir := filepath.Join(h.mount, path)
		q, err := quota(dir, h.v2)
		if err != nil {
			return group{}, err
		}
		if q > 0 && (best.quota == 0 || q < best.quota) {
			best = group{dir: dir, v2: h.v2, quota: q}
		}
		if path == "/" || path == "." {
			return best, nil
		}
	}
}

// findHierarchy reads the group from self/cgroup and the mount from
// self/mountinfo. Version 1 is preferred where it holds the cpu controller,
// since on such hosts version 2 exists as well, without controllers.
func findHierarchy(root proc.FS) (hierarchy, error) {
	member, err := os.ReadFile(filepath.Join(root.Root(), "self/cgroup"))
	if err != nil {
		return hierarchy{}, err
	}
	mounts, err := os.ReadFile(filepath.Join(root.Root(), "self/mountinfo"))
	if err != nil {
		return hierarchy{}, err
	}
	var v1, v2 hierarchy
	for line := range strings.Lines(string(member)) {
		// "4:cpu,cpuacct:/user.slice", "0::/user.slice"
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			v2 = hierarchy{path: f[2], v2: true}
		case hasWord(f[1], "cpu"):
			v1 = hierarchy{path: f[2]}
		}
	}
	for line := range strings.Lines(string(mounts)) {
		// "36 35 98:0 /root /mount options - type source super"
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		switch {
		case r[0] == "cgroup2" && v2.mount == "":
			v2.mount, v2.path = l[4], below(l[3], v2.path)
		case r[0] == "cgroup" && hasWord(r[2], "cpu") && v1.mount == "":
			v1.mount, v1.path = l[4], below(l[3], v1.path)
		}
	}
	switch {
	case v1.mount != "" && v1.path != "":
		return v1, nil
	case v2.mount != "" && v2.path != "":
		return v2, nil
	}
	return hierarchy{}, errors.New("no control group with a cpu controller is mounted")
}

// below returns path as seen under a mount that shows only what is below root,
// as container runtimes make them.
func below(root, path string) string {
	if root == "/" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, root); ok {
		return "/" + strings.TrimPrefix(rest, "/")
	}
	return "/"
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// quota returns the CPU limit of one group in CPUs, 0 for none.
func quota(dir string, v2 bool) (float64, error) {
	if v2 {
		path := filepath.Join(dir, "cpu.max")
		b, err := os.ReadFile(path) // "50000 100000", "max 100000"
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil // the root, or no cpu controller here
		}
		if err != nil {
			return 0, err
		}
		limit, per, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
		if limit == "max" {
			return 0, nil
		}
		return ratio(path, limit, per)
	}
	path := filepath.Join(dir, "cpu.cfs_quota_us")
	limit, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if strings.HasPrefix(string(limit), "-1") {
		return 0, nil
	}
	per, err := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us"))
	if err != nil {
		return 0, err
	}
	return ratio(path, strings.TrimSpace(string(limit)), strings.TrimSpace(string(per)))
}

func ratio(path, limit, per string) (float64, error) {
	l, err1 := strconv.ParseUint(limit, 10, 63)
	p, err2 := strconv.ParseUint(per, 10, 63)
	if err1 != nil || err2 != nil || l == 0 || p == 0 {
		return 0, &proc.ParseError{Path: path, Line: 1, What: fmt.Sprintf("%q of %q is not a CPU limit", limit, per)}
	}
	return float64(l) / float64(p), nil
}

// counter reads the CPU time a group has used, from one open file and without
// allocating.
type counter struct {
	path string
	fd   int
	v2   bool
	buf  []byte
}

func openCounter(g group) (counter, error) {
	c := counter{v2: g.v2, buf: make([]byte, 1024)}
	candidates := []string{filepath.Join(g.dir, "cpu.stat")}
	if !g.v2 {
		// cpuacct may be mounted with cpu or beside it.
		candidates = []string{
			filepath.Join(g.dir, "cpuacct.usage"),
			strings.Replace(filepath.Join(g.dir, "cpuacct.usage"), "/cpu/", "/cpuacct/", 1),
		}
	}
	var err error
	for _, c.path = range candidates {
		if c.fd, err = unix.Open(c.path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			_, err = c.read()
			return c, err
		}
		err = &os.PathError{Op: "open", Path: c.path, Err: err}
	}
	return counter{}, err
}

func (c counter) read() (time.Duration, error) {
	n, err := unix.Pread(c.fd, c.buf, 0)
	if err != nil {
		return 0, &os.PathError{Op: "read", Path: c.path, Err: err}
	}
	b, unit := c.buf[:n], time.Nanosecond
	if c.v2 {
		const key = "usage_usec "
		i := bytes.Index(b, []byte(key))
		if i < 0 {
			return 0, &proc.ParseError{Path: c.path, Line: 1, What: "no usage_usec in the file"}
		}
		b, unit = b[i+len(key):], time.Microsecond
	}
	var v time.Duration
	digits := 0
	for ; digits < len(b) && digits < 18 && b[digits] >= '0' && b[digits] <= '9'; digits++ {
		v = v*10 + time.Duration(b[digits]-'0')
	}
	if digits == 0 {
		return 0, &proc.ParseError{Path: c.path, Line: 1, What: "does not hold a CPU time"}
	}
	return v * unit, nil
}

func (c counter) close() error { return unix.Close(c.fd) }
