package lab

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// As Debian 12 in a container without systemd has it, and as systemd mounts
// version 1 (some controllers together) and version 2.
const (
	mountinfoPlain = `
20 1 254:0 / / rw - ext4 /dev/vda rw
30 20 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
32 30 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
33 30 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
34 30 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 30 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 30 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
40 30 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	mountinfoSystemd = `
30 20 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
34 30 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:14 - cgroup cgroup rw,cpu,cpuacct
35 30 0:33 / /sys/fs/cgroup/cpuset rw,nosuid shared:15 - cgroup cgroup rw,cpuset,clone_children
36 30 0:34 / /sys/fs/cgroup/memory rw,nosuid shared:16 - cgroup cgroup rw,memory
37 30 0:35 / /sys/fs/cgroup/freezer rw,nosuid shared:17 - cgroup cgroup rw,freezer
`
	mountinfoUnified = `
30 20 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`
)

func TestCgroupMounts(t *testing.T) {
	for _, c := range []struct {
		name, mountinfo string
		mounts          []string // what a host mounts with version 1
		missing         int
		unified         string
	}{
		{"plain", mountinfoPlain, []string{"cpu", "cpuacct", "cpuset", "freezer", "memory"}, 0, "/sys/fs/cgroup/unified"},
		{"systemd", mountinfoSystemd, []string{"cpu,cpuacct", "cpuset", "freezer", "memory"}, 0, "/sys/fs/cgroup/unified"},
		{"unified", mountinfoUnified, nil, len(controllersV1), "/sys/fs/cgroup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "mountinfo")
			if err := os.WriteFile(file, []byte(strings.TrimPrefix(c.mountinfo, "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
			v1, v2, err := cgroupMounts(file)
			if err != nil {
				t.Fatal(err)
			}
			if v2 != c.unified {
				t.Errorf("version 2 at %q, want %q", v2, c.unified)
			}
			g, missing := newGroupsV1("vblab-test", v1)
			if len(missing) != c.missing {
				t.Errorf("missing %v", missing)
			}
			if c.missing == 0 && !reflect.DeepEqual(g.mounts(), c.mounts) {
				t.Errorf("hosts mount %v, want %v", g.mounts(), c.mounts)
			}
		})
	}
}
