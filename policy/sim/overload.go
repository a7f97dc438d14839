package sim

import (
	"math"
	"slices"
)

// OverloadTest says whether a host is overloaded: at a load, as a share of its
// capacity, after a history of use by the VMs that it has now, newest first, one
// share each five minutes.
//
// The tests are those of A. Beloglazov and R. Buyya (CCPE 2012, section 6) as
// CloudSim 3.0.3 has them. Where the history is too short they are that with a
// fixed mark of 70 %.
type OverloadTest func(load float64, history []float64) bool

// historyLength is how far back CloudSim remembers, in samples.
const historyLength = 30

// Above is ThrMmt's: load above a fixed mark.
func Above(mark float64) OverloadTest {
	return func(load float64, _ []float64) bool { return load > mark }
}

var fallback = Above(0.7)

// AboveIQR is IqrMmt's: load above 1 - safety x the interquartile range.
func AboveIQR(safety float64) OverloadTest {
	return adaptive(safety, func(sorted []float64) float64 {
		at := func(share float64) float64 { return sorted[int(math.Floor(share*float64(len(sorted)+1)+0.5))-1] }
		return at(0.75) - at(0.25)
	})
}

// AboveMAD is MadMmt's: load above 1 - safety x the median absolute deviation.
func AboveMAD(safety float64) OverloadTest {
	return adaptive(safety, func(sorted []float64) float64 {
		middle := median(sorted)
		for i, u := range sorted {
			sorted[i] = math.Abs(u - middle)
		}
		slices.Sort(sorted)
		return median(sorted)
	})
}

// adaptive lowers the mark by how much the use varies.
func adaptive(safety float64, variation func(sorted []float64) float64) OverloadTest {
	const enough = 12
	var scratch [historyLength]float64
	return func(load float64, history []float64) bool {
		if len(history) < enough {
			return fallback(load, nil)
		}
		sorted := scratch[:copy(scratch[:], history)]
		slices.Sort(sorted)
		return load > 1-safety*variation(sorted)
	}
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Predicted is LrMmt's: a line through the last ten samples reaches 1 / safety by
// the end of a migration, which takes less than one sample. CloudSim's weights,
// which would make it a local regression, take no effect.
func Predicted(safety float64) OverloadTest {
	const n, ahead = 10, 1
	return func(load float64, history []float64) bool {
		if len(history) < n {
			return fallback(load, nil)
		}
		mean, slope := 0.0, 0.0
		const meanX, varianceX = (n + 1) / 2.0, n * (n*n - 1) / 12.0 // of 1..n, the oldest first
		for i, u := range history[:n] {
			mean += u / n
			slope += (float64(n-i) - meanX) * u / varianceX
		}
		return safety*(mean+slope*(n+ahead-meanX)) >= 1
	}
}
