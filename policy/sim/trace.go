package sim

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// SampleInterval is the time between two values of a trace.
const SampleInterval = 300 * time.Second

// Trace is the CPU use of one VM over time, as shares of the VM's own size.
type Trace struct {
	Name string
	// Use holds a value each SampleInterval. Between two values the use changes
	// linearly; after the last it stays.
	Use []float64
}

// At is the use at a time since the start of the trace.
func (t Trace) At(d time.Duration) float64 {
	i := int(d / SampleInterval)
	if i >= len(t.Use)-1 {
		return t.Use[len(t.Use)-1]
	}
	part := float64(d%SampleInterval) / float64(SampleInterval)
	return t.Use[i] + part*(t.Use[i+1]-t.Use[i])
}

// ReadTraces reads one trace a line: a name, then the use in percent at each
// SampleInterval, separated by commas. All lines have equally many values.
func ReadTraces(r io.Reader) ([]Trace, error) {
	var traces []Trace
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ",")
		t := Trace{Name: fields[0], Use: make([]float64, 0, len(fields)-1)}
		for i, f := range fields[1:] {
			percent, err := strconv.ParseFloat(f, 64)
			if err != nil || !(percent >= 0 && percent <= 100) {
				return nil, fmt.Errorf("trace %s, value %d: %q is not within 0..100", t.Name, i+1, f)
			}
			t.Use = append(t.Use, percent/100)
		}
		if len(t.Use) == 0 {
			return nil, fmt.Errorf("trace %s has no values", t.Name)
		}
		if len(traces) > 0 && len(t.Use) != len(traces[0].Use) {
			return nil, fmt.Errorf("trace %s has %d values, %s has %d", t.Name, len(t.Use), traces[0].Name, len(traces[0].Use))
		}
		traces = append(traces, t)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(traces) == 0 {
		return nil, errors.New("no traces")
	}
	return traces, nil
}

// LoadTraces reads a file of traces, compressed with gzip if its name ends in
// .gz.
func LoadTraces(path string) ([]Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	traces, err := ReadTraces(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return traces, nil
}

// Synthetic makes up a day of traces, the same for the same seed: each VM has a
// level of its own, a daily wave, noise that lasts for some samples, and now
// and then a plateau of work. It shares nothing with any recorded day, and
// serves to see whether a policy does well on load that it was not tuned on.
func Synthetic(n int, seed uint64) []Trace {
	const samples = 288
	rng := rand.New(rand.NewPCG(seed, 0x7669727462616c))
	traces := make([]Trace, n)
	for i := range traces {
		t := Trace{Name: fmt.Sprintf("synthetic-%05d", i), Use: make([]float64, samples)}
		level := 0.25 * rng.ExpFloat64() / (1 + rng.Float64())
		wave, phase := 0.4*rng.Float64(), 2*math.Pi*rng.Float64()
		persistence, noise := 0.5+0.45*rng.Float64(), 0.3*rng.Float64()
		drift, burst, left := 0.0, 0.0, 0
		for k := range t.Use {
			drift = persistence*drift + noise*math.Sqrt(1-persistence*persistence)*rng.NormFloat64()
			if left--; left < 0 {
				burst = 0
				if rng.Float64() < 0.01 {
					burst, left = 0.7*rng.Float64(), 1+int(12*rng.ExpFloat64())
				}
			}
			daily := 1 + wave*math.Sin(phase+2*math.Pi*float64(k)/samples)
			t.Use[k] = math.Round(100*min(1, max(0, level*daily*(1+drift)+burst))) / 100
		}
		traces[i] = t
	}
	return traces
}
