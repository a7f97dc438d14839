package libvirt

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	lv "libvirt.org/go/libvirt"
)

// eventLoop runs libvirt's own event loop, which carries events, keep-alive
// probes and the notice that a connection is gone.
type eventLoop struct {
	once sync.Once
	err  error
	beat atomic.Int64 // Unix nanoseconds
}

// The loop is the process's, not ours: libvirt has room for one, it has to be
// registered before the first connection, and virevent.c forbids stopping it.
var processLoop eventLoop

// beatEvery is the period of the loop's heartbeat. It also makes sure that the
// loop returns from poll now and then.
const beatEvery = time.Second

// start registers and starts the loop; only the first call does.
func (l *eventLoop) start() error {
	l.once.Do(func() { l.err = l.register() })
	return l.err
}

func (l *eventLoop) register() error {
	// With the build tag libvirt_dlopen the first call loads the library, and
	// its loader is not safe for several threads: load it here, on one.
	if _, err := lv.GetVersion(); err != nil {
		return fmt.Errorf("load libvirt: %w", err)
	}
	if err := lv.EventRegisterDefaultImpl(); err != nil {
		return fmt.Errorf("register libvirt's event loop: %w", err)
	}
	l.beat.Store(time.Now().UnixNano())
	_, err := lv.EventAddTimeout(int(beatEvery/time.Millisecond), func(int) {
		l.beat.Store(time.Now().UnixNano())
	})
	if err != nil {
		return fmt.Errorf("start the heartbeat of libvirt's event loop: %w", err)
	}
	go func() {
		runtime.LockOSThread()
		for {
			if err := lv.EventRunDefaultImpl(); err != nil {
				time.Sleep(beatEvery / 10) // poll(2) itself failed; do not spin
			}
		}
	}()
	return nil
}

// Heartbeat returns when libvirt's event loop last ran. It does so every
// second; a watchdog should take a minute of silence for a fault. It is the
// zero time before the first New.
func Heartbeat() time.Time {
	if n := processLoop.beat.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}
