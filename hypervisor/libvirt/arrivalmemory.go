package libvirt

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/policy"
)

// pages is an amount of memory in huge pages of one size.
type pages struct {
	size  policy.Bytes
	count uint64
}

// memoryFits asks for the guest's whole memory. What has been promised to
// others is not known here: admission knows.
func memoryFits(a *arrival) finding {
	huge, err := hugePages(&a.dom, a.site.memory)
	if err != nil {
		return because(policy.PreflightFailed, "%v", err)
	}
	if len(huge) == 0 {
		if room := policy.Bytes(a.site.memory.Room()); room < a.MemoryMax {
			return because(policy.HostMemory, "the guest needs %v and %v are available here", a.MemoryMax, room)
		}
		return finding{}
	}
	for _, p := range huge {
		free, known := a.site.freePages[p.size]
		if !known {
			return because(policy.HostMemory, "this host has no huge pages of %v", p.size)
		}
		if free < p.count {
			return because(policy.HostMemory, "the guest needs %d huge pages of %v and %d are free here", p.count, p.size, free)
		}
	}
	return finding{}
}

// hugePages returns the huge pages that a domain needs, none if it uses the
// ordinary ones.
func hugePages(d *libvirtxml.Domain, m proc.Memory) ([]pages, error) {
	if d.MemoryBacking == nil || d.MemoryBacking.MemoryHugePages == nil || d.Memory == nil {
		return nil, nil
	}
	total, err := amount(d.Memory.Value, d.Memory.Unit)
	if err != nil {
		return nil, err
	}
	cells := make(map[int]policy.Bytes)
	if d.CPU != nil && d.CPU.Numa != nil {
		for i, c := range d.CPU.Numa.Cell {
			id := i
			if c.ID != nil {
				id = int(min(*c.ID, math.MaxInt32))
			}
			if cells[id], err = amount(c.Memory, c.Unit); err != nil {
				return nil, err
			}
		}
	}
	specs := d.MemoryBacking.MemoryHugePages.Hugepages
	if len(specs) == 0 {
		return count(nil, policy.Bytes(m.HugePageSize), total)
	}
	var all []pages
	for _, spec := range specs {
		size, err := amount(spec.Size, spec.Unit)
		if err != nil {
			return nil, err
		}
		memory := total
		if spec.Nodeset != "" {
			nodes, err := parseSet(spec.Nodeset)
			if err != nil {
				return nil, fmt.Errorf("huge pages of guest nodes %q: %w", spec.Nodeset, err)
			}
			memory = 0
			for n := range nodes {
				memory += cells[n]
			}
		}
		if all, err = count(all, size, memory); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// count adds the number of pages of size that memory takes.
func count(all []pages, size, memory policy.Bytes) ([]pages, error) {
	if size <= 0 {
		return nil, fmt.Errorf("huge pages of %d bytes", size)
	}
	return append(all, pages{size, uint64((memory + size - 1) / size)}), nil
}

// units are libvirt's units of memory (scaled integers in its domain format).
var units = map[string]float64{
	"": 1 << 10, "b": 1, "bytes": 1,
	"KB": 1e3, "k": 1 << 10, "KiB": 1 << 10,
	"MB": 1e6, "M": 1 << 20, "MiB": 1 << 20,
	"GB": 1e9, "G": 1 << 30, "GiB": 1 << 30,
	"TB": 1e12, "T": 1 << 40, "TiB": 1 << 40,
}

// amount is a number with one of libvirt's units, which defaults to KiB.
func amount(value uint, unit string) (policy.Bytes, error) {
	factor, ok := units[unit]
	if b := float64(value) * factor; ok && b <= 1<<60 {
		return policy.Bytes(b), nil
	}
	return 0, fmt.Errorf("%d %s is not an amount of memory", value, unit)
}

// numaFits asks that the nodes that the guest's memory is bound to exist here.
func numaFits(a *arrival) finding {
	n := a.dom.NUMATune
	if n == nil {
		return finding{}
	}
	var sets []string
	if n.Memory != nil {
		sets = append(sets, n.Memory.Nodeset)
	}
	for _, m := range n.MemNodes {
		sets = append(sets, m.Nodeset)
	}
	return exist("NUMA node", sets, a.site.nodes)
}

// cpusExist asks that the CPUs that the guest is bound to exist here.
func cpusExist(a *arrival) finding {
	var sets []string
	if v := a.dom.VCPU; v != nil {
		sets = append(sets, v.CPUSet)
	}
	if t := a.dom.CPUTune; t != nil {
		for _, p := range t.VCPUPin {
			sets = append(sets, p.CPUSet)
		}
		for _, p := range t.IOThreadPin {
			sets = append(sets, p.CPUSet)
		}
		if t.EmulatorPin != nil {
			sets = append(sets, t.EmulatorPin.CPUSet)
		}
	}
	return exist("CPU", sets, a.site.cpus)
}

func exist(what string, sets []string, here map[int]bool) finding {
	for _, set := range sets {
		if set == "" {
			continue
		}
		wanted, err := parseSet(set)
		if err != nil {
			return because(policy.PreflightFailed, "%s %q: %v", what, set, err)
		}
		for _, n := range slices.Sorted(maps.Keys(wanted)) {
			if !here[n] {
				return because(policy.PinnedDomain, "it is bound to %s %s, and there is no %s %d here", what, set, what, n)
			}
		}
	}
	return finding{}
}

// parseSet reads libvirt's notation for a set of numbers: "0-3,^2,8".
func parseSet(s string) (map[int]bool, error) {
	const most = 1 << 14
	set := make(map[int]bool)
	for part := range strings.SplitSeq(s, ",") {
		part, without := strings.CutPrefix(strings.TrimSpace(part), "^")
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(to)
		}
		if err != nil || first < 0 || last < first || last >= most {
			return nil, fmt.Errorf("%q is not a number or range below %d", part, most)
		}
		for n := first; n <= last; n++ {
			if without {
				delete(set, n)
			} else {
				set[n] = true
			}
		}
	}
	return set, nil
}
