package loadgen

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of simulated hosts into docs/loadgen.md")

// original is the law of the script that this tool replaces: a number of
// threads to start with, one more each second below min, one less above max.
// Each thread works and sleeps for a millisecond in turn, which made it worth
// 22 points of two CPUs where it was measured.
type original struct {
	threads int
	last    Snapshot
	reads   int
}

func (o *original) step(s Snapshot, band Band) (int, float64, Output) {
	const (
		start  = 5
		more   = 1
		worth  = 0.44 // CPUs
		second = 25   // readings
	)
	if o.reads == 0 {
		o.threads, o.last = start, s
	} else if o.reads%second == 0 {
		switch u := pastBetween(o.last, s).Used; {
		case u < band.Min:
			o.threads += more
		case u > band.Max:
			o.threads = max(o.threads-more, 0)
		}
		o.last = s
	}
	o.reads++
	return o.threads, worth, Output{}
}

// TestTableOfSimulatedHosts keeps the table in the documentation true.
func TestTableOfSimulatedHosts(t *testing.T) {
	const (
		file  = "../docs/loadgen.md"
		begin = "<!-- simulated hosts: written by go test ./loadgen -run Table -update -->\n"
		end   = "<!-- end of simulated hosts -->\n"
	)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	table := simulatedHosts()
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("the table of %s is out of date: go test ./loadgen -run Table -update\ngot\n%s", file, table)
	}
}

func simulatedHosts() string {
	var b strings.Builder
	b.WriteString("| band | CPUs | settle s | in band % | step: in band % | over | recovery s on/off | thread changes | " +
		"original: settle s | in band % | over | thread changes |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, band := range []Band{wide, narrow, {0.49, 0.51}} {
		for _, cpus := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256} {
			ours := newPlant(cpus, 1)
			ours.other = step(cpus, 15, 30)
			a := ours.hold(new(Controller), band, 45)

			theirs := newPlant(cpus, 1)
			theirs.room = math.Inf(1) // it starts more threads than there are CPUs
			var law original
			o := theirs.run(150, func(s Snapshot) (int, float64, Output) { return law.step(s, band) })

			fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %s / %s | %d | %s | %s | %s | %d |\n",
				fmt.Sprintf("%.0f-%.0f", 100*band.Min, 100*band.Max), cpus,
				num(a.settled(band, 0, 5, 15)), pct(a.share(band, 2, 15)), pct(a.share(band, 15, 45)), points(a.over(band, 1)),
				num(a.settled(band, 15, 3, 30)), num(a.settled(band, 30, 3, 45)), changesBetween(a, 2, 15),
				num(o.settled(band, 0, 5, 150)), pct(o.share(band, 2, 15)), points(o.over(band, 1)), changesBetween(o, 2, 150))
		}
	}
	return b.String()
}

func num(x float64) string {
	if math.IsNaN(x) {
		return "never"
	}
	return fmt.Sprintf("%.1f", x)
}

func pct(x float64) string { return fmt.Sprintf("%.0f", math.Floor(100*x)) }

func points(x float64) string { return fmt.Sprintf("%.1f", 100*x) }

func changesBetween(t trial, from, to float64) int {
	n := 0
	for i := int(from * 25); i < min(int(to*25), len(t.threads)-1); i++ {
		if t.threads[i] != t.threads[i+1] {
			n++
		}
	}
	return n
}
