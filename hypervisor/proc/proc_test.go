package proc_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
)

// root makes a proc tree out of name, content pairs.
func root(t *testing.T, files ...string) proc.FS {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		write(t, dir, files[i], files[i+1])
	}
	return proc.New(dir)
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

const statText = `cpu  100 20 30 4000 50 6 7 8 90 10
cpu0 50 10 15 2000 25 3 3 4 45 5
cpu1 50 10 15 2000 25 3 4 4 45 5
intr 12345 0 1 2
ctxt 99
btime 1700000000
processes 77
`

func TestStat(t *testing.T) {
	s, err := root(t, "stat", statText).Stat()
	if err != nil {
		t.Fatal(err)
	}
	want := proc.CPU{User: 100, Nice: 20, System: 30, Idle: 4000, IOWait: 50, IRQ: 6, SoftIRQ: 7, Steal: 8, Online: 2}
	if s.CPU != want {
		t.Errorf("CPU = %+v, want %+v", s.CPU, want)
	}
	// guest (90) and guest_nice (10) are inside user and nice already.
	if b, i, total := s.CPU.Busy(), s.CPU.IdleLike(), s.CPU.Total(); b != 163 || i != 4050 || total != 4221 {
		t.Errorf("busy %d, idle %d, total %d, want 163, 4050, 4221", b, i, total)
	}
	if !s.Boot.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("boot %v", s.Boot)
	}
}

func TestStatOfAnOldKernelHasNoSteal(t *testing.T) {
	s, err := root(t, "stat", "cpu 1 2 3 4\ncpu0 1 2 3 4\n").Stat()
	if err != nil {
		t.Fatal(err)
	}
	if want := (proc.CPU{User: 1, Nice: 2, System: 3, Idle: 4, Online: 1}); s.CPU != want {
		t.Errorf("CPU = %+v, want %+v", s.CPU, want)
	}
}

func TestSubClampsCountersThatWentBack(t *testing.T) {
	a := proc.CPU{User: 10, Idle: 100, IOWait: 9, Online: 4}
	b := proc.CPU{User: 15, Idle: 90, IOWait: 11, Online: 2}
	if got, want := b.Sub(a), (proc.CPU{User: 5, IOWait: 2, Online: 2}); got != want {
		t.Errorf("Sub = %+v, want %+v", got, want)
	}
}

func TestTicksDuration(t *testing.T) {
	if d := proc.Ticks(150).Duration(); d != 1500*time.Millisecond {
		t.Errorf("150 ticks = %v", d)
	}
}

func TestGarbledFilesNameFileAndLine(t *testing.T) {
	tests := []struct {
		file, content, want string
		read                func(proc.FS) error
	}{
		{"stat", "", `stat:1: starts with "", not with "cpu"`, readStat},
		{"stat", "cpu 1 2 3\ncpu0 1 2 3\n", `stat:1: idle time "" is not a count`, readStat},
		{"stat", "cpu 1 2 x 4\ncpu0 1 2 3 4\n", `stat:1: system time "x" is not a count`, readStat},
		{"stat", "cpu 1 -2 3 4\ncpu0 1 2 3 4\n", `stat:1: nice time "-2" is not a count`, readStat},
		{"stat", "cpu 99999999999999999999 2 3 4\ncpu0 1 2 3 4\n", `stat:1: user time "99999999999999999999" is not a count`, readStat},
		{"stat", "cpu 9999999999999999999 2 3 4\ncpu0 1 2 3 4\n", `stat:1: user time 9999999999999999999 is absurd`, readStat},
		{"stat", "cpu 1 2 3 4\nintr 1\n", `stat:2: no cpuN line`, readStat},
		{"stat", "cpu 1 2 3 4\ncpu0 1 2 3 4\nbtime soon\n", `stat:3: btime "soon" is not a time in seconds`, readStat},
		{"meminfo", "MemTotal: 5 kB\nMemAvailable: many kB\n", `meminfo:2: MemAvailable: "many" is not a count`, readMemory},
		{"meminfo", "MemTotal: 5 MB\n", `meminfo:1: MemTotal: has the unit "MB", not kB`, readMemory},
		{"meminfo", "MemTotal: 18446744073709551615 kB\n", `meminfo:1: MemTotal: 18446744073709551615 kB is absurd`, readMemory},
		{"meminfo", "MemFree: 5 kB\n", `meminfo:1: no MemTotal`, readMemory},
		{"pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=-1\n", `pressure/cpu:1: total "-1" is not a time`, readPressure},
		{"pressure/cpu", "some avg10=NaN avg60=0.00 avg300=0.00 total=1\n", `pressure/cpu:1: avg10 "NaN" is not a percentage`, readPressure},
		{"pressure/cpu", "some avg10=1.00\n", `pressure/cpu:1: " avg10=1.00" is not`, readPressure},
		{"pressure/cpu", "hello\n", `pressure/cpu:1: no "some" line`, readPressure},
		{"cpuinfo", "nothing here\n", `cpuinfo:1: no processor`, readCPUInfo},
		{"sys/kernel/osrelease", "\n", `osrelease:1: the line is empty`, readKernel},
	}
	for _, tt := range tests {
		err := tt.read(root(t, tt.file, tt.content))
		if _, ok := errors.AsType[*proc.ParseError](err); !ok {
			t.Errorf("%s %q: error %v is not a ParseError", tt.file, tt.content, err)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q: error %q does not contain %q", tt.file, tt.content, err, tt.want)
		}
	}
}

func readStat(f proc.FS) error     { _, err := f.Stat(); return err }
func readMemory(f proc.FS) error   { _, err := f.Memory(); return err }
func readCPUInfo(f proc.FS) error  { _, err := f.CPUInfo(); return err }
func readKernel(f proc.FS) error   { _, err := f.KernelVersion(); return err }
func readPressure(f proc.FS) error { _, err := f.Pressure(proc.PressureCPU); return err }

func TestMissingFiles(t *testing.T) {
	f := root(t)
	for name, read := range map[string]func(proc.FS) error{
		"stat": readStat, "meminfo": readMemory, "cpuinfo": readCPUInfo, "osrelease": readKernel,
	} {
		if err := read(f); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s missing: error %v", name, err)
		}
	}
	if err := readPressure(f); !errors.Is(err, proc.ErrNoData) {
		t.Errorf("pressure missing: error %v is not ErrNoData", err)
	}
}

const meminfoText = `MemTotal:       100000 kB
MemFree:         100 kB
MemAvailable:    400 kB
SwapTotal:        50 kB
SwapFree:         18446744073709551360 kB
HugePages_Total:      16
HugePages_Free:        4
Hugepagesize:       2048 kB
Hugetlb:           34816 kB
`

func TestMemory(t *testing.T) {
	want := proc.Memory{
		Total: 100000 << 10, Available: 400 << 10,
		HugePagesTotal: 16, HugePagesFree: 4, HugePageSize: 2 << 20, Hugetlb: 34816 << 10,
	}
	m, err := root(t, "meminfo", meminfoText).Memory()
	if err != nil || m != want {
		t.Errorf("Memory = %+v, %v, want %+v", m, err, want)
	}

	arc := "13 1 0x01 147 39984 4 5\nname                            type data\nhits 4 1\nc_min 4 10240\nc_max 4 900000\nsize 4 215040\n"
	want.ARCReclaimable = 200 << 10
	m, err = root(t, "meminfo", meminfoText, "spl/kstat/zfs/arcstats", arc).Memory()
	if err != nil || m != want {
		t.Errorf("with ZFS: Memory = %+v, %v, want %+v", m, err, want)
	}
	if m.Room() != 600<<10 {
		t.Errorf("Room = %d", m.Room())
	}

	_, err = root(t, "meminfo", "MemTotal: 5 kB\n").Memory()
	if !errors.Is(err, proc.ErrNoData) {
		t.Errorf("without MemAvailable: error %v is not ErrNoData", err)
	}
}

// What is set aside as huge pages is neither there for ordinary guests nor used
// by them.
func TestHugePagesAreApart(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name           string
		m              proc.Memory
		ordinary, room uint64
	}{
		{"none", proc.Memory{Total: 64 * gib, Available: 60 * gib}, 64 * gib, 60 * gib},
		{"a pool of one size", proc.Memory{
			Total: 64 * gib, Available: 10 * gib, HugePagesTotal: 48, HugePageSize: gib,
		}, 16 * gib, 10 * gib},
		{"pools of two sizes", proc.Memory{
			Total: 64 * gib, Available: 10 * gib, HugePagesTotal: 512, HugePageSize: 2 << 20, Hugetlb: 49 * gib,
		}, 15 * gib, 10 * gib},
		{"and ZFS", proc.Memory{
			Total: 64 * gib, Available: 4 * gib, ARCReclaimable: 8 * gib, Hugetlb: 48 * gib,
		}, 16 * gib, 12 * gib},
		{"more room than there is", proc.Memory{
			Total: 64 * gib, Available: 12 * gib, ARCReclaimable: 8 * gib, Hugetlb: 48 * gib,
		}, 16 * gib, 16 * gib},
		{"nonsense", proc.Memory{Total: gib, Available: gib, Hugetlb: 2 * gib}, 0, 0},
	} {
		if o, r := tt.m.Ordinary(), tt.m.Room(); o != tt.ordinary || r != tt.room {
			t.Errorf("%s: %d ordinary and room for %d, want %d and %d", tt.name, o, r, tt.ordinary, tt.room)
		}
	}
}

func TestPressure(t *testing.T) {
	text := "some avg10=12.50 avg60=5.00 avg300=1.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.25 total=7\n"
	p, err := root(t, "pressure/io", text).Pressure(proc.PressureIO)
	if err != nil {
		t.Fatal(err)
	}
	want := proc.Pressure{
		Some: proc.Stall{Avg10: 0.125, Avg60: 0.05, Avg300: 0.01, Total: 1500 * time.Millisecond, Known: true},
		Full: proc.Stall{Avg300: 0.0025, Total: 7 * time.Microsecond, Known: true},
	}
	if p != want {
		t.Errorf("Pressure = %+v, want %+v", p, want)
	}

	p, err = root(t, "pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n").Pressure(proc.PressureCPU)
	if err != nil || !p.Some.Known || p.Full.Known {
		t.Errorf("a cpu file without a full line: %+v, %v", p, err)
	}
}

func TestCPUInfo(t *testing.T) {
	text := "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nmicrocode\t: 0xa1\nflags\t\t: sse fpu sse avx\n\n" +
		"processor\t: 1\nmodel name\t: Another\nmicrocode\t: 0xb2\nflags\t\t: fpu\n"
	c, err := root(t, "cpuinfo", text).CPUInfo()
	if err != nil {
		t.Fatal(err)
	}
	if c.Model != "Some CPU @ 2.00GHz" || c.Microcode != "0xa1" || strings.Join(c.Flags, " ") != "avx fpu sse" {
		t.Errorf("CPUInfo = %+v", c)
	}
	shuffled := proc.CPUInfo{Flags: []string{"avx", "fpu", "sse"}}
	other := proc.CPUInfo{Flags: []string{"fpu", "sse"}}
	if c.Fingerprint() != shuffled.Fingerprint() || c.Fingerprint() == other.Fingerprint() || len(c.Fingerprint()) != 16 {
		t.Errorf("fingerprints %s %s %s", c.Fingerprint(), shuffled.Fingerprint(), other.Fingerprint())
	}
}

func TestKernelAndBoot(t *testing.T) {
	f := root(t, "sys/kernel/osrelease", "6.1.0-13-amd64\n", "sys/kernel/random/boot_id", "aaaa-bbbb\n")
	if v, err := f.KernelVersion(); v != "6.1.0-13-amd64" || err != nil {
		t.Errorf("KernelVersion = %q, %v", v, err)
	}
	if v, err := f.BootID(); v != "aaaa-bbbb" || err != nil {
		t.Errorf("BootID = %q, %v", v, err)
	}
}

// The machine that runs the test must itself be readable.
func TestThisMachine(t *testing.T) {
	f := proc.New("")
	s, err := f.Stat()
	if err != nil || s.CPU.Total() == 0 || s.CPU.Online < 1 || s.Boot.IsZero() {
		t.Errorf("Stat = %+v, %v", s, err)
	}
	m, err := f.Memory()
	if err != nil || m.Total == 0 || m.Room() == 0 {
		t.Errorf("Memory = %+v, %v", m, err)
	}
	if _, err := f.CPUInfo(); err != nil {
		t.Error(err)
	}
	if _, err := f.KernelVersion(); err != nil {
		t.Error(err)
	}
	if _, err := f.BootID(); err != nil {
		t.Error(err)
	}
	if _, err := f.Pressure(proc.PressureMemory); err != nil && !errors.Is(err, proc.ErrNoData) {
		t.Error(err)
	}
}
