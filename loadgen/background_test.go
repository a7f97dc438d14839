package loadgen

import (
	"math"
	"math/rand/v2"
	"testing"
)

// feed adds readings every 40 ms of a load that other work makes, with errors
// as the clocks of a host of so many CPUs make them.
func feed(b *background, from, to float64, load func(t float64) float64, noise clockNoise, rng *rand.Rand) (changes []float64) {
	busy := 0.0
	for i := int(math.Round(from * 25)); i <= int(math.Round(to*25)); i++ {
		t := float64(i) / 25
		p := point{at: t, total: t, busy: busy + noise.end*rng.NormFloat64(), own: 0.2 * t}
		p.busy += p.own
		if b.add(p, noise) {
			changes = append(changes, t)
		}
		busy += load(t) / 25
	}
	return changes
}

func TestBackgroundHasNothingToSayBeforeTwoReadings(t *testing.T) {
	var b background
	if _, _, ok := b.mean(noiseOf(2)); ok {
		t.Error("a mean of nothing")
	}
	b.add(point{}, noiseOf(2))
	if _, _, ok := b.mean(noiseOf(2)); ok {
		t.Error("a mean of one reading")
	}
}

func TestBackgroundGetsQuieterWithTime(t *testing.T) {
	noise := noiseOf(2)
	var errs [2]float64
	for seed := range uint64(200) {
		for i, length := range []float64{0.2, 4} {
			var b background
			feed(&b, 0, length, constant(0.3), noise, rand.New(rand.NewPCG(seed, 1)))
			mean, sigma, _ := b.mean(noise)
			errs[i] += (mean - 0.3) * (mean - 0.3) / 200
			if want := noise.of(length); math.Abs(sigma-want) > want/5 {
				t.Fatalf("sigma %v after %v s, want %v", sigma, length, want)
			}
		}
	}
	early, late := math.Sqrt(errs[0]), math.Sqrt(errs[1])
	if early < 5*late || late > noise.of(4)*1.5 {
		t.Errorf("error %v after 0.2 s, %v after 4 s", early, late)
	}
}

func TestBackgroundForgetsWhatWasBeforeAChange(t *testing.T) {
	for _, cpus := range []float64{1, 2, 16, 256} {
		noise := noiseOf(cpus)
		var b background
		load := func(t float64) float64 {
			if t >= 4 {
				return 0.6
			}
			return 0.1
		}
		changes := feed(&b, 0, 5, load, noise, rand.New(rand.NewPCG(1, 1)))
		if len(changes) == 0 || changes[0] < 4 || changes[0] > 4.25 {
			t.Fatalf("%v CPUs: changes at %v, want one soon after 4 s", cpus, changes)
		}
		if mean, _, _ := b.mean(noise); math.Abs(mean-0.6) > 0.02 {
			t.Errorf("%v CPUs: %v a second after the change, want 0.6", cpus, mean)
		}
	}
}

func TestBackgroundSeldomSeesChangesInNoise(t *testing.T) {
	// An hour on two CPUs, with normal errors as large as the model says.
	noise := noiseOf(2)
	var b background
	changes := feed(&b, 0, 3600, constant(0.3), noise, rand.New(rand.NewPCG(1, 1)))
	if len(changes) > 20 {
		t.Errorf("%d changes in an hour without one", len(changes))
	}
}

func TestBackgroundFollowsWhatItCannotProve(t *testing.T) {
	noise := noiseOf(2)
	var b background
	drift := func(t float64) float64 { return 0.3 + 0.0002*t }
	feed(&b, 0, 600, drift, noise, rand.New(rand.NewPCG(1, 1)))
	if mean, _, _ := b.mean(noise); math.Abs(mean-drift(600)) > 0.005 {
		t.Errorf("%v, want %v", mean, drift(600))
	}
}
