package proc

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// checkError requires what the package promises of every refusal: it names
// the file and a line that the file has (or would have).
func checkError(t *testing.T, b []byte, err error) {
	t.Helper()
	if errors.Is(err, ErrNoData) {
		return
	}
	var parse *ParseError
	if !errors.As(err, &parse) {
		t.Fatalf("error %v is not a ParseError", err)
	}
	if parse.Path != "file" || parse.Line < 1 || parse.Line > bytes.Count(b, newline)+2 || parse.What == "" {
		t.Fatalf("error %q names no line of the file", parse)
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("cpu  100 20 30 4000 50 6 7 8 90 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\nbtime 1700000000\n"))
	f.Add([]byte("cpu 1 2 3 4\ncpu0 1 2 3 4"))
	f.Add([]byte("cpu 18446744073709551615 0 0 0\ncpu0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStat("file", b)
		if err != nil {
			checkError(t, b, err)
			return
		}
		c := s.CPU
		if c.Online < 1 || c.Online > bytes.Count(b, newline) {
			t.Fatalf("%d CPUs in %d lines", c.Online, bytes.Count(b, newline))
		}
		if c.Total() < c.Busy() || c.Total() < c.IdleLike() || c.Total() < c.Steal {
			t.Fatalf("the parts of %+v exceed the total", c)
		}
		if d := c.Sub(c); d.Total() != 0 {
			t.Fatalf("%+v less itself is %+v", c, d)
		}
	})
}

func FuzzMeminfo(f *testing.F) {
	f.Add([]byte("MemTotal: 1000 kB\nMemAvailable: 400 kB\nHugePages_Total: 16\n"))
	f.Add([]byte("MemTotal:\t18446744073709551615\nMemAvailable: 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeminfo("file", b)
		if err != nil {
			checkError(t, b, err)
			return
		}
		if m.Total == 0 || m.Room() > m.Total {
			t.Fatalf("no sane memory: %+v", m)
		}
	})
}

func FuzzARC(f *testing.F) {
	f.Add([]byte("c_min 4 10240\nsize 4 215040\n"))
	f.Add([]byte("size 4 1\nc_min 4 2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseARC("file", b)
		if err != nil {
			checkError(t, b, err)
		} else if n > math.MaxInt64 {
			t.Fatalf("%d bytes reclaimable", n)
		}
	})
}

func FuzzPressure(f *testing.F) {
	f.Add([]byte("some avg10=12.50 avg60=5.00 avg300=1.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.25 total=7\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePressure("file", b)
		if err != nil {
			checkError(t, b, err)
			return
		}
		for _, s := range []Stall{p.Some, p.Full} {
			for _, avg := range []float64{s.Avg10, s.Avg60, s.Avg300} {
				if !(avg >= 0 && avg <= 1) || s.Total < 0 {
					t.Fatalf("no sane stall: %+v", s)
				}
			}
		}
	})
}

func FuzzCPUInfo(f *testing.F) {
	f.Add([]byte("processor\t: 0\nmodel name\t: X\nflags\t\t: sse fpu sse\n\nprocessor : 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCPUInfo("file", b)
		if err != nil {
			checkError(t, b, err)
			return
		}
		if len(c.Fingerprint()) != 16 {
			t.Fatalf("fingerprint %q", c.Fingerprint())
		}
	})
}
