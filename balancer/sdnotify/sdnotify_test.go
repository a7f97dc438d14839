package sdnotify_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/balancer/sdnotify"
)

// manager is systemd's end of the socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func listen(t *testing.T, name string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn}
}

func (m *manager) receive() string {
	m.t.Helper()
	buf := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:n])
}

func environment(pairs ...string) func(string) string {
	return func(key string) string {
		for _, p := range pairs {
			if v, ok := strings.CutPrefix(p, key+"="); ok {
				return v
			}
		}
		return ""
	}
}

func newNotifier(t *testing.T, env ...string) *sdnotify.Notifier {
	t.Helper()
	n, err := sdnotify.New(sdnotify.Options{Getenv: environment(env...), PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMessages(t *testing.T) {
	for kind, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@virtbalance-test-%d-%d", os.Getpid(), time.Now().UnixNano()),
	} {
		t.Run(kind, func(t *testing.T) {
			m := listen(t, socket)
			n := newNotifier(t, "NOTIFY_SOCKET="+socket)
			for want, say := range map[string]func() error{
				"READY=1":                      n.Ready,
				"STOPPING=1":                   n.Stopping,
				"WATCHDOG=1":                   n.Watchdog,
				"STATUS=3 domains, 40% of CPU": func() error { return n.Status("3 domains, 40% of CPU") },
				"STATUS=a READY=1 b":           func() error { return n.Status("a\nREADY=1\x00b") },
			} {
				if err := say(); err != nil {
					t.Fatal(err)
				}
				if got := m.receive(); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// systemd compares the time with its own monotonic clock, so it must be that
// clock and not the process's.
func TestReloadingTellsTheTime(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	m := listen(t, socket)
	n := newNotifier(t, "NOTIFY_SOCKET="+socket)
	before := monotonic(t)
	if err := n.Reloading(); err != nil {
		t.Fatal(err)
	}
	after := monotonic(t)
	message := m.receive()
	match := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=(\d+)$`).FindStringSubmatch(message)
	if match == nil {
		t.Fatalf("got %q", message)
	}
	if usec, err := strconv.ParseInt(match[1], 10, 64); err != nil || usec < before || usec > after {
		t.Errorf("%q is not between %d and %d", match[1], before, after)
	}
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func TestWithoutSystemdNothingHappens(t *testing.T) {
	n := newNotifier(t)
	for _, say := range []func() error{n.Ready, n.Reloading, n.Stopping, n.Watchdog} {
		if err := say(); err != nil {
			t.Error(err)
		}
	}
	if interval, ok := n.WatchdogInterval(); ok {
		t.Errorf("watched every %v", interval)
	}
	n.Feed(t.Context(), func() error { t.Error("asked whether healthy"); return nil }, func(err error) { t.Error(err) })
}

func TestEnvironment(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for name, c := range map[string]struct {
		env      []string
		interval time.Duration
		fault    string
	}{
		"watched":          {env: []string{"WATCHDOG_USEC=30000000"}, interval: 30 * time.Second},
		"by our PID":       {env: []string{"WATCHDOG_USEC=1", "WATCHDOG_PID=" + own}, interval: time.Microsecond},
		"another PID":      {env: []string{"WATCHDOG_USEC=1", "WATCHDOG_PID=1" + own}},
		"no number":        {env: []string{"WATCHDOG_USEC=30s"}, fault: "WATCHDOG_USEC (\"30s\")"},
		"negative":         {env: []string{"WATCHDOG_USEC=-1"}, fault: "WATCHDOG_USEC"},
		"zero":             {env: []string{"WATCHDOG_USEC=0"}, fault: "WATCHDOG_USEC"},
		"for ever":         {env: []string{"WATCHDOG_USEC=9223372036854775807"}, fault: "WATCHDOG_USEC"},
		"bad PID":          {env: []string{"WATCHDOG_USEC=1", "WATCHDOG_PID=me"}, fault: "WATCHDOG_PID (\"me\")"},
		"relative path":    {env: []string{"NOTIFY_SOCKET=run/notify"}, fault: "NOTIFY_SOCKET (\"run/notify\")"},
		"vsock":            {env: []string{"NOTIFY_SOCKET=vsock:2:1"}, fault: "NOTIFY_SOCKET"},
		"abstract nothing": {env: []string{"NOTIFY_SOCKET=@"}, fault: "NOTIFY_SOCKET"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := sdnotify.New(sdnotify.Options{Getenv: environment(c.env...), PID: os.Getpid()})
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("got %v, want %q in it", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if interval, ok := n.WatchdogInterval(); interval != c.interval || ok != (c.interval > 0) {
				t.Errorf("got %v, %v", interval, ok)
			}
		})
	}
}

// What is not healthy is not fed, and is fed again when it is well.
func TestFeedFollowsHealth(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	m := listen(t, socket)
	n := newNotifier(t, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=20000")
	ctx, cancel := context.WithCancel(t.Context())
	stuck := errors.New("the loop is stuck")
	var asked, reported atomic.Int64
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		n.Feed(ctx, func() error {
			if asked.Add(1) <= 3 {
				return stuck
			}
			return nil
		}, func(err error) {
			if errors.Is(err, stuck) {
				reported.Add(1)
			}
		})
	}()
	for range 2 {
		if got := m.receive(); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	cancel()
	<-fed
	if reported.Load() != 3 {
		t.Errorf("reported %d times, want 3", reported.Load())
	}
}

// A manager that is gone is an error, not a hang.
func TestNobodyListens(t *testing.T) {
	n := newNotifier(t, "NOTIFY_SOCKET="+filepath.Join(t.TempDir(), "gone"))
	if err := n.Ready(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A manager whose queue is full holds the daemon up for a second at most.
func TestAFullQueueIsAnError(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	listen(t, socket) // and never reads
	n := newNotifier(t, "NOTIFY_SOCKET="+socket)
	for range 100_000 {
		if err := n.Watchdog(); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			return
		}
	}
	t.Error("the queue has no end")
}
