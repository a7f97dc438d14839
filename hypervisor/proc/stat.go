package proc

import (
	"bytes"
	"fmt"
	"time"
)

// UserHz is the number of Ticks in a second of CPU time. The kernel converts
// to this rate for user space whatever CONFIG_HZ is; it is 100 on every
// architecture that runs KVM (include/asm-generic/param.h).
const UserHz = 100

// Ticks is CPU time in units of 1/UserHz second.
//
// Counters stay in ticks on purpose: as time.Duration the idle time of a
// 256-CPU host overflows after 14 months of uptime. A difference of two
// readings converts safely.
type Ticks uint64

// Duration returns t as a time.Duration. It is meant for differences.
func (t Ticks) Duration() time.Duration { return time.Duration(t) * (time.Second / UserHz) }

// CPU holds the counters of the first line of stat, summed over all CPUs, and
// the number of CPUs that are online.
//
// The guest counters of the line are not here: the kernel has already added
// them to User and Nice (proc(5)), so adding them again would count every
// guest twice.
type CPU struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ Ticks

	// Steal is time during which a hypervisor below this host ran something
	// else although a CPU here wanted to run. It is part of Total but neither
	// of Busy nor of IdleLike: nobody here used it and nobody could have.
	Steal Ticks

	// Online is the number of cpuN lines. It can change between readings.
	Online int
}

// Busy returns the time used by work on this host: everything but Idle,
// IOWait and Steal.
func (c CPU) Busy() Ticks {
	return c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ
}

// IdleLike returns the time in which CPUs had nothing to run: Idle and
// IOWait. IOWait is idle time with a note attached; a CPU that waits for a
// disk can run something else at once.
func (c CPU) IdleLike() Ticks { return c.Idle + c.IOWait }

// Total returns all time: Busy, IdleLike and Steal.
func (c CPU) Total() Ticks { return c.Busy() + c.IdleLike() + c.Steal }

// Sub returns what was added since prev, field by field; Online is that of c.
// A counter that went backwards counts as unchanged: Idle and IOWait do that
// on CPU hotplug and IOWait by design (proc(5)), and lxcfs does it to all.
func (c CPU) Sub(prev CPU) CPU {
	return CPU{
		User:    since(c.User, prev.User),
		Nice:    since(c.Nice, prev.Nice),
		System:  since(c.System, prev.System),
		Idle:    since(c.Idle, prev.Idle),
		IOWait:  since(c.IOWait, prev.IOWait),
		IRQ:     since(c.IRQ, prev.IRQ),
		SoftIRQ: since(c.SoftIRQ, prev.SoftIRQ),
		Steal:   since(c.Steal, prev.Steal),
		Online:  c.Online,
	}
}

func since(now, then Ticks) Ticks {
	if now < then {
		return 0
	}
	return now - then
}

// Stat is what this package takes from the stat file.
type Stat struct {
	CPU CPU

	// Boot is when the kernel says it booted. It is derived from the wall
	// clock and moves when that is set, so it tells boots apart only roughly;
	// BootID does so exactly.
	Boot time.Time
}

// Stat reads the stat file. Boot is the zero time where the file does not
// have it (lxcfs always has).
func (f FS) Stat() (Stat, error) {
	path, b, err := f.read("stat")
	if err != nil {
		return Stat{}, err
	}
	return parseStat(path, b)
}

func parseStat(path string, b []byte) (Stat, error) {
	var s Stat
	cpu, err := parseCPU(path, b)
	if err != nil {
		return s, err
	}
	s.CPU = cpu
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = cutLine(b)
		key, rest := cutField(line)
		if string(key) != "btime" {
			continue
		}
		val, _ := cutField(rest)
		sec, ok := parseCount(val)
		if !ok || sec > 1<<40 {
			return Stat{}, &ParseError{Path: path, Line: n, What: fmt.Sprintf("btime %s is not a time in seconds", quote(val))}
		}
		s.Boot = time.Unix(int64(sec), 0)
	}
	return s, nil
}

// cpuFields are the names of the counters in the order of the line. The
// kernel had only the first four once; the rest is zero then.
var cpuFields = [...]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}

const cpuFieldsMin = 4

// parseCPU reads the "cpu" line and counts the cpuN lines after it. It does
// not allocate unless it fails. A last line without a newline is ignored when
// it is not the first, so that a buffer may end anywhere after the CPU lines.
func parseCPU(path string, b []byte) (CPU, error) {
	line, b, _ := cutLine(b)
	key, rest := cutField(line)
	if string(key) != "cpu" {
		return CPU{}, &ParseError{Path: path, Line: 1, What: fmt.Sprintf("starts with %s, not with \"cpu\"", quote(key))}
	}
	var v [len(cpuFields)]Ticks
	for i := range cpuFields {
		var field []byte
		field, rest = cutField(rest)
		if len(field) == 0 && i >= cpuFieldsMin {
			break
		}
		n, ok := parseCount(field)
		if !ok {
			return CPU{}, &ParseError{Path: path, Line: 1, What: fmt.Sprintf("%s time %s is not a count", cpuFields[i], quote(field))}
		}
		if n > ticksMax {
			return CPU{}, &ParseError{Path: path, Line: 1, What: fmt.Sprintf("%s time %d is absurd", cpuFields[i], n)}
		}
		v[i] = Ticks(n)
	}
	c := CPU{User: v[0], Nice: v[1], System: v[2], Idle: v[3], IOWait: v[4], IRQ: v[5], SoftIRQ: v[6], Steal: v[7]}
	for {
		var whole bool
		line, b, whole = cutLine(b)
		if !whole || !isCPULine(line) {
			break
		}
		c.Online++
	}
	if c.Online == 0 {
		return CPU{}, &ParseError{Path: path, Line: 2, What: "no cpuN line, so the number of CPUs is unknown"}
	}
	return c, nil
}

// ticksMax keeps a sum of eight counters from overflowing. It is reached by
// 8192 CPUs after 89000 years.
const ticksMax = 1 << 60

func isCPULine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("cpu")) && len(line) > 3 && line[3] >= '0' && line[3] <= '9'
}
