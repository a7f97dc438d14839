package disaster_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/disaster"
)

var (
	seed  = flag.Uint64("seed", 0, "run this one seed, with a trace")
	seeds = flag.Int("seeds", 2000, "how many seeds to run")
	first = flag.Uint64("first", 1, "the first of them")
)

// TestStorm runs the seeds.
func TestStorm(t *testing.T) {
	if *seed > 0 {
		r := disaster.Run(disaster.Options{Seed: *seed, Scenario: disaster.Storm(), Trace: os.Stdout})
		if r.Violation != "" {
			t.Fatalf("seed %d: %s", *seed, r.Violation)
		}
		return
	}
	began := time.Now()
	var sum disaster.Result
	bad := 0
	if raceDetector {
		*seeds /= 10 // one goroutine has no races; that it is said to have none is enough
	}
	for i := range uint64(*seeds) {
		r := disaster.Run(disaster.Options{Seed: *first + i, Scenario: disaster.Storm()})
		if r.Violation != "" {
			last := ""
			if bad == 0 {
				last = "\n" + strings.Join(r.Last, "\n")
			}
			t.Errorf("seed %d: %s%s", *first+i, r.Violation, last)
			if bad++; bad == 20 {
				t.Fatal("and perhaps more")
			}
		}
		sum.Add(r)
		if done := int(i) + 1; done%5000 == 0 {
			t.Logf("%d seeds from %d in %s, %d with a violation: %s", done, *first, time.Since(began).Round(time.Second), bad, sum)
		}
	}
	t.Logf("%d seeds in %s: %s", *seeds, time.Since(began).Round(time.Second), sum)
}

// TestReplay: a seed gives the same trace, byte for byte.
func TestReplay(t *testing.T) {
	for seed := range uint64(20) {
		o := disaster.Options{Seed: *first + seed, Scenario: disaster.Storm()}
		var a, b strings.Builder
		o.Trace = &a
		one := disaster.Run(o)
		o.Trace = &b
		two := disaster.Run(o)
		if one.Hash != two.Hash || a.String() != b.String() || a.Len() == 0 {
			t.Fatalf("seed %d: %x with %d bytes, then %x with %d", o.Seed, one.Hash, a.Len(), two.Hash, b.Len())
		}
		if other := disaster.Run(disaster.Options{Seed: o.Seed + 1000, Scenario: o.Scenario}); other.Hash == one.Hash {
			t.Fatalf("seeds %d and %d give the same trace", o.Seed, o.Seed+1000)
		}
	}
}

// TestPlantedBugs: the invariants find what they are there for.
func TestPlantedBugs(t *testing.T) {
	for _, tt := range []struct {
		name string
		bug  disaster.Bug
		find string
	}{
		{"skipped sync", disaster.SkippedSync, "is not durable"},
		{"double grant", disaster.DoubleGrant, "which is on its way"},
		{"act on unknown", disaster.ActOnUnknown, "the outcome of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range uint64(2000) {
				r := disaster.Run(disaster.Options{Seed: 1 + i, Scenario: disaster.Storm(), Plant: tt.bug})
				if r.Violation == "" {
					continue
				}
				if !strings.Contains(r.Violation, tt.find) {
					t.Fatalf("seed %d found something else: %s", 1+i, r.Violation)
				}
				t.Logf("found by seed %d: %s", 1+i, r.Violation)
				return
			}
			t.Error("not found by 2000 seeds")
		})
	}
}

// TestConstantLoad: where nothing breaks and no load changes, the moves come to
// an end.
func TestConstantLoad(t *testing.T) {
	var sum disaster.Result
	for i := range uint64(20) {
		r := disaster.Run(disaster.Options{Seed: *first + i, Scenario: disaster.ConstantLoad()})
		if r.Violation != "" {
			t.Fatalf("seed %d: %s\n%s", *first+i, r.Violation, strings.Join(r.Last, "\n"))
		}
		sum.Add(r)
	}
	if sum.Begun == 0 {
		t.Error("nothing moved at all")
	}
	t.Log(sum)
}

// TestStampede: thirty overloaded hosts never push the only cool one above its
// receive mark.
func TestStampede(t *testing.T) {
	for i := range uint64(10) {
		r := disaster.Run(disaster.Options{Seed: *first + i, Scenario: disaster.Stampede()})
		if r.Violation != "" {
			t.Fatalf("seed %d: %s\n%s", *first+i, r.Violation, strings.Join(r.Last, "\n"))
		}
		if r.Succeeded == 0 || r.Refused == 0 {
			t.Errorf("seed %d: %s", *first+i, r)
		}
		t.Logf("seed %d: %s; the cool host came to %.3f of its CPU at most", *first+i, r, r.Crest)
	}
}

// TestSilence: a promise that has ended in silence is not given to another while
// what it was given for is on its way.
func TestSilence(t *testing.T) {
	if *seed > 0 {
		disaster.Run(disaster.Options{Seed: *seed, Scenario: disaster.Silence(), Trace: os.Stdout})
		return
	}
	var sum disaster.Result
	for i := range uint64(*seeds / 10) {
		r := disaster.Run(disaster.Options{Seed: *first + i, Scenario: disaster.Silence()})
		if r.Violation != "" {
			t.Errorf("seed %d: %s\n%s", *first+i, r.Violation, strings.Join(r.Last, "\n"))
		}
		sum.Add(r)
	}
	t.Log(sum)
}
