//go:build failpoints

package balancer

import (
	"os"
	"syscall"
	"time"
)

// failpoint ends the process at the place that VIRTBALANCED_CRASH names, as
// kill -9 would at that very moment, and stops it once, as kill -STOP would, at
// the place that VIRTBALANCED_STOP names. Stopped, it leaves a test all the time
// that it needs to do something to the other host.
//
// The places are the phases of package operation, each after its record is
// synced and before anything else happens, and on the target "granted" (the
// promise is remembered, the answer not sent), "arrived" (the domain was seen
// to run here, nothing done about it) and "finished" (the source has said so,
// nothing done about it).
func failpoint(at string) {
	switch at {
	case os.Getenv("VIRTBALANCED_CRASH"):
		signalSelf(syscall.SIGKILL)
	case os.Getenv("VIRTBALANCED_STOP"):
		if err := os.Unsetenv("VIRTBALANCED_STOP"); err != nil {
			panic(err)
		}
		signalSelf(syscall.SIGSTOP)
	}
}

func signalSelf(sig syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		panic(err)
	}
	// The signal takes effect within microseconds, in which nothing may happen.
	time.Sleep(100 * time.Millisecond)
}
