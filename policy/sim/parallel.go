package sim

import (
	"runtime"
	"sync"
)

// each calls f for every i below n, on all CPUs if there is enough to do. What f
// does for one i must not touch what it does for another; then the result is
// the same on any number of CPUs.
func each(n int, f func(i int)) {
	eachOf(n, func(_, i int) { f(i) })
}

// eachOf tells f which worker it is as well, for scratch of its own.
func eachOf(n int, f func(worker, i int)) {
	workers := workersFor(n)
	if workers == 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	var done sync.WaitGroup
	for k := range workers {
		done.Go(func() {
			for i := k * n / workers; i < (k+1)*n/workers; i++ {
				f(k, i)
			}
		})
	}
	done.Wait()
}

// workersFor is how many workers eachOf has for n.
func workersFor(n int) int {
	const enough = 250
	return max(1, min(runtime.GOMAXPROCS(0), n/enough))
}
