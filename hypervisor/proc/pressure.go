package proc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Resource is one of the resources that the kernel measures pressure on.
type Resource string

// The resources of Documentation/accounting/psi.rst that matter to a host.
const (
	PressureCPU    Resource = "cpu"
	PressureMemory Resource = "memory"
	PressureIO     Resource = "io"
)

// Pressure says how much time work lost waiting for a resource.
type Pressure struct {
	Some Stall // at least one task waited
	Full Stall // every task that was not idle waited
}

// Stall is one line of a pressure file.
type Stall struct {
	Avg10, Avg60, Avg300 float64       // shares of time, 0..1
	Total                time.Duration // since boot

	// Known is false for the Full line of cpu on kernels before 5.13, which
	// do not print it.
	Known bool
}

// Pressure reads the pressure file of r. The error is ErrNoData where the
// kernel has no pressure information, or has it switched off.
func (f FS) Pressure(r Resource) (Pressure, error) {
	path, b, err := f.read("pressure/" + string(r))
	if err != nil {
		if noData(err) {
			return Pressure{}, fmt.Errorf("%s pressure in %s: %w", r, path, ErrNoData)
		}
		return Pressure{}, err
	}
	return parsePressure(path, b)
}

func parsePressure(path string, b []byte) (Pressure, error) {
	var p Pressure
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = cutLine(b)
		key, rest := cutField(line)
		var into *Stall
		switch string(key) {
		case "some":
			into = &p.Some
		case "full":
			into = &p.Full
		default:
			continue
		}
		s, what := parseStall(string(rest))
		if what != "" {
			return Pressure{}, &ParseError{Path: path, Line: n, What: what}
		}
		*into = s
	}
	if !p.Some.Known {
		return Pressure{}, &ParseError{Path: path, Line: 1, What: "no \"some\" line in the file"}
	}
	return p, nil
}

// parseStall reads "avg10=0.00 avg60=0.00 avg300=0.00 total=0". what is the
// complaint, if any.
func parseStall(fields string) (s Stall, what string) {
	var seen int
	for field := range strings.FieldsSeq(fields) {
		key, val, _ := strings.Cut(field, "=")
		var avg *float64
		switch key {
		case "avg10":
			avg = &s.Avg10
		case "avg60":
			avg = &s.Avg60
		case "avg300":
			avg = &s.Avg300
		case "total":
			us, err := strconv.ParseUint(val, 10, 64)
			if err != nil || us > math.MaxInt64/1000 {
				return Stall{}, fmt.Sprintf("total %s is not a time in microseconds", quote([]byte(val)))
			}
			s.Total = time.Duration(us) * time.Microsecond
			seen++
			continue
		default:
			continue
		}
		pct, err := strconv.ParseFloat(val, 64)
		if err != nil || !(pct >= 0 && pct <= 100) {
			return Stall{}, fmt.Sprintf("%s %s is not a percentage", key, quote([]byte(val)))
		}
		*avg = pct / 100
		seen++
	}
	if seen != 4 {
		return Stall{}, fmt.Sprintf("%s is not \"avg10= avg60= avg300= total=\"", quote([]byte(fields)))
	}
	s.Known = true
	return s, ""
}
