package loadgen

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// fakeProc writes a stat file of two CPUs.
type fakeProc struct {
	t   *testing.T
	dir string
}

func (f fakeProc) stat(cpus int, counters string) {
	f.t.Helper()
	f.file("stat", "cpu "+counters+"\n"+strings.Repeat("cpu0 0 0 0 0\n", cpus))
}

func (f fakeProc) file(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func TestHostSensor(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name          string
		counting      Counting
		before, after string // user nice system idle iowait irq softirq steal
		cpus          int
		total, busy   time.Duration
		stolen        time.Duration
	}{
		{"work and idle", Counting{}, "10 0 0 100", "12 1 1 116", 2, 200 * ms, 40 * ms, 0},
		{"iowait is idle", Counting{}, "10 0 0 100 5", "12 0 0 106 17", 2, 200 * ms, 20 * ms, 0},
		{"unless it is counted", Counting{IOWait: true}, "10 0 0 100 5", "12 0 0 106 17", 2, 200 * ms, 140 * ms, 0},
		{"steal is time, but nobody's", Counting{}, "10 0 0 100 0 0 0 0", "12 0 0 108 0 0 0 10", 2, 200 * ms, 20 * ms, 100 * ms},
		{"unless it is counted", Counting{Steal: true}, "10 0 0 100 0 0 0 0", "12 0 0 108 0 0 0 10", 2, 200 * ms, 120 * ms, 100 * ms},
		{"interrupts are work", Counting{}, "0 0 0 0 0 0 0", "0 0 0 10 0 4 6", 2, 200 * ms, 100 * ms, 0},
		{"iowait goes back", Counting{}, "10 0 0 100 9", "12 0 0 118 7", 2, 200 * ms, 20 * ms, 0},
		{"a little idle time goes back", Counting{}, "10 0 0 100", "30 0 0 98", 2, 200 * ms, 200 * ms, 0},
		{"a CPU went offline and took its idle time along", Counting{}, "10 0 0 9000", "12 0 0 4500", 1, 0, 0, 0},
	}
	for _, tt := range tests {
		f := fakeProc{t, t.TempDir()}
		f.stat(2, tt.before)
		s, err := newHostSensor(proc.New(f.dir), tt.counting, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		f.stat(tt.cpus, tt.after)
		got, err := s.read()
		if err != nil {
			t.Fatal(err)
		}
		if got.Total != tt.total || got.Busy != tt.busy || got.Stolen != tt.stolen || got.CPUs != float64(tt.cpus) {
			t.Errorf("%s: total %v busy %v stolen %v CPUs %v, want %v %v %v %v", tt.name,
				got.Total, got.Busy, got.Stolen, got.CPUs, tt.total, tt.busy, tt.stolen, tt.cpus)
		}
		if got.At <= 0 || got.Own <= 0 {
			t.Errorf("%s: at %v, own %v", tt.name, got.At, got.Own)
		}

		f.file("stat", "garbage\n")
		again, err := s.read()
		if err == nil || again.Total != got.Total || again.Busy != got.Busy || again.At < got.At {
			t.Errorf("%s: garbage reads as %+v, error %v", tt.name, again, err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSizeOfAHost(t *testing.T) {
	// The clock of the counters, in seconds a second and CPU, for a second each.
	tests := []struct {
		name   string
		online []int
		rate   []float64
		want   []float64
	}{
		{"a host", []int{4}, []float64{1, 1.01, 0.98, 1}, []float64{4, 4, 4, 4}},
		{"lxcfs with a quota", []int{1}, []float64{0.6, 0.61, 0.6, 0.59}, []float64{1, 0.61, 0.61, 0.61}},
		{"a stall, and what it makes up for", []int{2}, []float64{1, 0, 0, 0.5, 1, 3, 1}, []float64{2, 2, 2, 2, 2, 2, 2}},
		{"a quota that is lifted", []int{2}, []float64{0.5, 0.5, 1, 1}, []float64{2, 1, 1, 2}},
		{"hotplug", []int{2, 2, 4, 4}, []float64{0.5, 0.5, 1, 1}, []float64{2, 1, 4, 4}},
	}
	for _, tt := range tests {
		var z size
		var at, total time.Duration
		z.cpus(tt.online[0], 0, 0)
		for i, rate := range tt.rate {
			online := tt.online[min(i, len(tt.online)-1)]
			var got float64
			for range 25 {
				at += 40 * time.Millisecond
				total += time.Duration(rate * float64(online) * float64(40*time.Millisecond))
				got = z.cpus(online, at, total)
			}
			if math.Abs(got-tt.want[i]) > 0.011 {
				t.Errorf("%s: %v CPUs after %d s, want %v", tt.name, got, i+1, tt.want[i])
			}
		}
	}
}

func TestSensorDoesNotAllocate(t *testing.T) {
	s, err := newHostSensor(proc.New(""), Counting{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := s.read(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a reading allocates %v times", allocs)
	}
}

// tree makes cgroup files and a proc directory that points to them.
func (f fakeProc) cgroup(membership, mountType, super string, files map[string]string) proc.FS {
	f.t.Helper()
	mount := filepath.Join(f.dir, "cg", "cpu")
	f.file("self/cgroup", membership)
	f.file("self/mountinfo", fmt.Sprintf("25 24 0:22 / /proc rw - proc proc rw\n36 35 0:30 / %s rw,relatime - %s cgroup %s\n", mount, mountType, super))
	for name, content := range files {
		f.file(filepath.Join("cg", name), content)
	}
	return proc.New(f.dir)
}

func TestFindGroup(t *testing.T) {
	tests := []struct {
		name                    string
		membership, kind, super string
		files                   map[string]string
		dir                     string
		quota                   float64
		usage                   time.Duration
	}{
		{
			"v2 without a limit", "0::/a/b\n", "cgroup2", "rw",
			map[string]string{"cpu/a/b/cpu.max": "max 100000\n", "cpu/a/b/cpu.stat": "usage_usec 1500\nuser_usec 1\n"},
			"cpu/a/b", 0, 1500 * time.Microsecond,
		},
		{
			"v2 with a limit", "0::/a/b\n", "cgroup2", "rw",
			map[string]string{"cpu/a/b/cpu.max": "150000 100000\n", "cpu/a/b/cpu.stat": "usage_usec 7\n"},
			"cpu/a/b", 1.5, 7 * time.Microsecond,
		},
		{
			"v2 where a parent limits more", "0::/a/b\n", "cgroup2", "rw",
			map[string]string{
				"cpu/a/b/cpu.max": "150000 100000\n", "cpu/a/cpu.max": "50000 100000\n",
				"cpu/a/cpu.stat": "usage_usec 9\n",
			},
			"cpu/a", 0.5, 9 * time.Microsecond,
		},
		{
			"v1 with its controllers together", "4:cpu,cpuacct:/x\n0::/\n", "cgroup", "rw,cpu,cpuacct",
			map[string]string{
				"cpu/x/cpu.cfs_quota_us": "25000\n", "cpu/x/cpu.cfs_period_us": "100000\n",
				"cpu/x/cpuacct.usage": "123456\n",
			},
			"cpu/x", 0.25, 123456,
		},
		{
			"v1 with its controllers apart, no limit", "4:cpu:/x\n5:cpuacct:/x\n", "cgroup", "rw,cpu",
			map[string]string{
				"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n",
				"cpuacct/x/cpuacct.usage": "99\n",
			},
			"cpu/x", 0, 99,
		},
	}
	for _, tt := range tests {
		f := fakeProc{t, t.TempDir()}
		g, err := findGroup(f.cgroup(tt.membership, tt.kind, tt.super, tt.files))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := filepath.Join(f.dir, "cg", tt.dir); g.dir != want || g.quota != tt.quota {
			t.Errorf("%s: %+v, want %s, %v", tt.name, g, want, tt.quota)
		}
		c, err := openCounter(g)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if used, err := c.read(); used != tt.usage || err != nil {
			t.Errorf("%s: usage %v, %v, want %v", tt.name, used, err, tt.usage)
		}
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFindGroupRefusesWhatItCannotRead(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	_, err := findGroup(f.cgroup("0::/a\n", "cgroup2", "rw", map[string]string{"cpu/a/cpu.max": "lots 100000\n"}))
	if err == nil || !strings.Contains(err.Error(), `cpu.max:1: "lots" of "100000" is not a CPU limit`) {
		t.Errorf("error %v", err)
	}
	g := fakeProc{t, t.TempDir()}
	_, err = findGroup(g.cgroup("0::/a\n", "tmpfs", "rw", nil))
	if err == nil || !strings.Contains(err.Error(), "no control group with a cpu controller") {
		t.Errorf("error %v", err)
	}
}

func TestGroupSensorHoldsUsageAgainstItsSize(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	f.file("g/cpu.stat", "usage_usec 1000\n")
	s, err := newGroupSensor(group{dir: filepath.Join(f.dir, "g"), v2: true}, func() float64 { return 0.5 }, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	f.file("g/cpu.stat", "usage_usec 4000\n")
	b, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	if b.Busy-a.Busy != 3*time.Millisecond || b.CPUs != 0.5 {
		t.Errorf("%+v then %+v", a, b)
	}
	if got, want := b.Total-a.Total, (b.At-a.At)/2; got < want-time.Microsecond || got > want+time.Microsecond {
		t.Errorf("total grew by %v in %v on half a CPU", got, b.At-a.At)
	}
	f.file("g/cpu.stat", "nothing\n")
	if c, err := s.read(); err == nil || c.Total != b.Total {
		t.Errorf("garbage reads as %+v, error %v", c, err)
	}
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct{ root, path, want string }{
		{"/", "/a/b", "/a/b"},
		{"/docker/x", "/docker/x", "/"},
		{"/docker/x", "/docker/x/y", "/y"},
		{"/docker/x", "/elsewhere", "/"},
	} {
		if got := below(tt.root, tt.path); got != tt.want {
			t.Errorf("below(%q, %q) = %q, want %q", tt.root, tt.path, got, tt.want)
		}
	}
}
