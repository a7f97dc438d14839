package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseLine(t *testing.T) {
	l, err := parseLine("vm1 n=12 up=1203 ticks=120 cpus=2 load=37 dirty=8 pass=3 bad=1")
	want := Line{N: 12, Up: 1203 * time.Millisecond, Ticks: 120, VCPUs: 2, Load: 37, DirtyMiB: 8, Passes: 3, Bad: 1}
	if err != nil || l != want {
		t.Errorf("got %+v, %v; want %+v", l, err, want)
	}
	for _, bad := range []string{
		"", "SeaBIOS", "vm1 n=12", "vm1 n=x up=1 ticks=1 cpus=1 load=1 dirty=1 pass=1 bad=1",
		"vm1 up=1 n=1 ticks=1 cpus=1 load=1 dirty=1 pass=1 bad=1",
	} {
		if _, err := parseLine(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// console makes the text of lines with the given numbers, 100 ms apart.
func console(numbers ...int) string {
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&b, "vm1 n=%d up=%d ticks=%d cpus=1 load=0 dirty=0 pass=0 bad=0\n", n, 100*n, 10*n)
	}
	return b.String()
}

func TestRecordFindsFaults(t *testing.T) {
	for _, c := range []struct {
		name, text, fault string
	}{
		{"continuous", console(7, 8, 9), ""},
		{"nothing", "", "wrote nothing"},
		{"lost line", console(7, 9), "line 9 follows line 7"},
		{"started again", console(7, 8, 1, 2), "line 1 follows line 8"},
		{"ran twice", console(7, 8, 8, 9), "line 8 follows line 8"},
		{"clock went back", console(7, 8) + "vm1 n=9 up=100 ticks=90 cpus=1 load=0 dirty=0 pass=0 bad=0\n", "clock went back"},
		{"firmware", console(7) + "SeaBIOS (version 1.16)\n" + console(8), "not a line of the test guest"},
		{"damaged memory", "vm1 n=1 up=1 ticks=1 cpus=1 load=0 dirty=0 pass=0 bad=2\n", "2 pages"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// however the text is cut up on the way
			for size := 1; size <= len(c.text)+1; size += 13 {
				var r recorder
				for rest := c.text; rest != ""; {
					n := min(size, len(rest))
					r.write([]byte(rest[:n]), time.Unix(1, 0))
					rest = rest[n:]
				}
				err := r.record.Err()
				switch {
				case c.fault == "" && err != nil:
					t.Errorf("in pieces of %d: %v", size, err)
				case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
					t.Errorf("in pieces of %d: %v, want %q", size, err, c.fault)
				}
			}
		})
	}
}

func TestRecordMeasuresGaps(t *testing.T) {
	var r recorder
	at := time.Unix(1000, 0)
	write := func(after time.Duration, n int) {
		at = at.Add(after)
		r.write([]byte(console(n)), at)
	}
	const ms = time.Millisecond
	write(0, 1)
	write(103*ms, 2)
	write(340*ms, 3) // the guest's clock says 100 ms
	write(98*ms, 4)
	if r.record.LongestGap != 340*ms || r.record.GapBefore.N != 3 || r.record.LongestStop != 240*ms {
		t.Errorf("got %s", r.record)
	}
	if r.record.First.N != 1 || r.record.Last.N != 4 || r.record.Lines != 4 {
		t.Errorf("got %+v", r.record)
	}
}
