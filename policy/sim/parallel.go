package sim

import (
	"runtime"
	"sync"
)

// each calls f for every i below n, on all CPUs if there is enough to do. What f
// does for one i must not touch what it does for another; then the result is
// the same on any number of CPUs.
func each(n int, f func(i int)) {
	const enough = 500
	workers := min(runtime.GOMAXPROCS(0), n/enough)
	if workers < 2 {
		for i := range n {
			f(i)
		}
		return
	}
	var done sync.WaitGroup
	for k := range workers {
		done.Go(func() {
			for i := k * n / workers; i < (k+1)*n/workers; i++ {
				f(i)
			}
		})
	}
	done.Wait()
}
