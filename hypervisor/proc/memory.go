package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
)

// Memory holds sizes of the host's memory in bytes.
type Memory struct {
	Total uint64

	// Available is the kernel's own estimate of what can be given to new work
	// without swapping (MemAvailable).
	Available uint64

	// ARCReclaimable is the part of the ZFS cache that shrinks under
	// pressure: its size less its lower limit. The kernel does not know the
	// ARC as page cache, so Available does not contain it; on a ZFS host
	// Available alone makes a healthy machine look full. Zero without ZFS.
	ARCReclaimable uint64

	// HugePages of the default size. They are taken out of Available whether
	// used or not, so guests on huge pages are counted in pages, not here.
	HugePagesTotal, HugePagesFree uint64 // pages
	HugePageSize                  uint64 // bytes; 0 without huge page support

	// Hugetlb is what all huge pages of all sizes take; zero on a kernel older
	// than 4.16, which says nothing of the other sizes.
	Hugetlb uint64
}

// HugePages returns what the pools of huge pages take of Total.
func (m Memory) HugePages() uint64 {
	return min(m.Total, max(m.Hugetlb, m.HugePagesTotal*m.HugePageSize))
}

// Ordinary returns what of Total can serve ordinary pages: all but the huge
// ones, which no ordinary guest can have.
func (m Memory) Ordinary() uint64 { return m.Total - m.HugePages() }

// Room returns what new work can get in ordinary pages: Available and
// ARCReclaimable, never more than there are.
func (m Memory) Room() uint64 { return min(m.Available+m.ARCReclaimable, m.Ordinary()) }

// Memory reads meminfo and, where ZFS is loaded, its ARC statistics. The error
// is ErrNoData on a kernel older than 3.14, which has no MemAvailable.
func (f FS) Memory() (Memory, error) {
	path, b, err := f.read("meminfo")
	if err != nil {
		return Memory{}, err
	}
	m, err := parseMeminfo(path, b)
	if err != nil {
		return Memory{}, err
	}
	path, b, err = f.read("spl/kstat/zfs/arcstats")
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return Memory{}, err
	}
	m.ARCReclaimable, err = parseARC(path, b)
	return m, err
}

func parseMeminfo(path string, b []byte) (Memory, error) {
	var m Memory
	var seenTotal, seenAvailable bool
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = cutLine(b)
		key, rest := cutField(line)
		into := m.field(string(key))
		if into == nil {
			continue
		}
		val, rest := cutField(rest)
		v, ok := parseCount(val)
		if !ok {
			return Memory{}, &ParseError{Path: path, Line: n, What: fmt.Sprintf("%s %s is not a count", key, quote(val))}
		}
		if unit, _ := cutField(rest); string(unit) == "kB" {
			if v > math.MaxInt64>>10 {
				return Memory{}, &ParseError{Path: path, Line: n, What: fmt.Sprintf("%s %d kB is absurd", key, v)}
			}
			v <<= 10
		} else if len(unit) > 0 {
			return Memory{}, &ParseError{Path: path, Line: n, What: fmt.Sprintf("%s has the unit %s, not kB", key, quote(unit))}
		}
		*into = v
		seenTotal = seenTotal || into == &m.Total
		seenAvailable = seenAvailable || into == &m.Available
	}
	if !seenTotal || m.Total == 0 {
		return Memory{}, &ParseError{Path: path, Line: 1, What: "no MemTotal in the file"}
	}
	if !seenAvailable {
		return Memory{}, fmt.Errorf("MemAvailable in %s: %w", path, ErrNoData)
	}
	if m.HugePageSize > 0 && m.HugePagesTotal > math.MaxInt64/m.HugePageSize {
		return Memory{}, &ParseError{Path: path, Line: 1, What: fmt.Sprintf("HugePages_Total %d is absurd", m.HugePagesTotal)}
	}
	if m.Available > math.MaxInt64 {
		return Memory{}, &ParseError{Path: path, Line: 1, What: fmt.Sprintf("MemAvailable %d is absurd", m.Available)}
	}
	return m, nil
}

// field returns where the value of a meminfo key belongs, or nil. Keys that
// nothing is done with are not even looked at: lxcfs has been seen to say
// "SwapFree: 18446744073709551360 kB".
func (m *Memory) field(key string) *uint64 {
	switch key {
	case "MemTotal:":
		return &m.Total
	case "MemAvailable:":
		return &m.Available
	case "HugePages_Total:":
		return &m.HugePagesTotal
	case "HugePages_Free:":
		return &m.HugePagesFree
	case "Hugepagesize:":
		return &m.HugePageSize
	case "Hugetlb:":
		return &m.Hugetlb
	}
	return nil
}

// parseARC reads OpenZFS's kstat table: lines of name, type, value.
func parseARC(path string, b []byte) (uint64, error) {
	var size, floor uint64
	var seen bool
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = cutLine(b)
		key, rest := cutField(line)
		if k := string(key); k != "size" && k != "c_min" {
			continue
		}
		_, rest = cutField(rest)
		val, _ := cutField(rest)
		v, ok := parseCount(val)
		if !ok || v > math.MaxInt64 {
			return 0, &ParseError{Path: path, Line: n, What: fmt.Sprintf("%s %s is not a size", key, quote(val))}
		}
		if string(key) == "size" {
			size, seen = v, true
		} else {
			floor = v
		}
	}
	if !seen {
		return 0, &ParseError{Path: path, Line: 1, What: "no size in the file"}
	}
	return size - min(size, floor), nil
}
