package policy

import (
	"fmt"
	"math"
	"strconv"
)

// MilliCPU is an amount of CPU time per time: 1000 is one CPU kept busy.
type MilliCPU int64

// String formats the amount in CPUs, as "1.25 CPU".
func (m MilliCPU) String() string {
	return strconv.FormatFloat(float64(m)/1000, 'f', 2, 64) + " CPU"
}

// Bytes is an amount of memory.
type Bytes int64

// The usual multiples of a byte.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// String formats the amount with a binary prefix, as "1.5 GiB".
func (b Bytes) String() string {
	for _, u := range []struct {
		unit Bytes
		name string
	}{{GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if b >= u.unit || b <= -u.unit {
			return strconv.FormatFloat(float64(b)/float64(u.unit), 'f', 1, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + " B"
}

// Fraction is a share of a whole, 0..1; a promise can carry it beyond 1.
// Percent exists only in configuration files, on the command line and in
// prose.
type Fraction float64

// String formats the fraction in percent with one decimal, as "81.5%".
func (f Fraction) String() string {
	return strconv.FormatFloat(float64(f)*100, 'f', 1, 64) + "%"
}

// of is that share of an amount.
func (f Fraction) of(m MilliCPU) MilliCPU { return MilliCPU(float64(f) * float64(m)) }

// Valid reports whether f is a finite number that is not negative.
func (f Fraction) Valid() bool {
	return f >= 0 && !math.IsInf(float64(f), 1) // NaN compares false
}

// Dimension names one component of a Load.
type Dimension uint8

// The dimensions of a Load.
const (
	CPU Dimension = iota
	Memory
)

// String names the dimension as labels and messages do.
func (d Dimension) String() string {
	switch d {
	case CPU:
		return "cpu"
	case Memory:
		return "memory"
	default:
		return fmt.Sprintf("dimension(%d)", uint8(d))
	}
}

// Load is a vector over the dimensions. It has no sum: CPU and memory are
// never added, and no load is a bare number.
type Load struct {
	CPU    MilliCPU `json:"cpu_millis"`
	Memory Bytes    `json:"memory_bytes"`
}

// Plus returns the componentwise sum.
func (l Load) Plus(o Load) Load {
	return Load{CPU: l.CPU + o.CPU, Memory: l.Memory + o.Memory}
}

// Minus returns the componentwise difference, never below zero: a measurement
// that lags behind a move must not turn into a negative load.
func (l Load) Minus(o Load) Load {
	return Load{CPU: max(0, l.CPU-o.CPU), Memory: max(0, l.Memory-o.Memory)}
}

// Share returns the component of l as a fraction of the same component of
// capacity. A capacity of zero or less holds nothing: any load on it is
// infinite, no load on it is zero.
func (l Load) Share(d Dimension, capacity Load) Fraction {
	switch d {
	case Memory:
		return ratio(float64(l.Memory), float64(capacity.Memory))
	default:
		return ratio(float64(l.CPU), float64(capacity.CPU))
	}
}

func ratio(part, whole float64) Fraction {
	switch {
	case whole > 0:
		return Fraction(part / whole)
	case part > 0:
		return Fraction(math.Inf(1))
	default:
		return 0
	}
}
