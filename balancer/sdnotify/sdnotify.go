package sdnotify

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options are what systemd passes to the process.
type Options struct {
	// Getenv is os.Getenv or stands for it.
	Getenv func(string) string
	// PID is this process.
	PID int
}

// Notifier speaks to systemd. Its methods may be called from many goroutines.
// A message that does not arrive is an error; none of them is worth more than
// a line in the log.
type Notifier struct {
	// socket is empty where nobody listens.
	socket   *net.UnixAddr
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
func New(o Options) (*Notifier, error) {
	n := &Notifier{}
	switch name := o.Getenv("NOTIFY_SOCKET"); {
	case name == "":
	case strings.HasPrefix(name, "/"), strings.HasPrefix(name, "@") && len(name) > 1:
		n.socket = &net.UnixAddr{Name: name, Net: "unixgram"} // net knows what @ means
	default:
		return nil, fmt.Errorf("NOTIFY_SOCKET (%q) must be an absolute path or @ and an abstract name", name)
	}
	var err error
	n.watchdog, err = watchdogInterval(o)
	return n, err
}

// watchdogInterval is zero when nobody watches, or watches another process.
func watchdogInterval(o Options) (time.Duration, error) {
	const longest = 1 << 50 // microseconds; more overflows a Duration
	text := o.Getenv("WATCHDOG_USEC")
	if text == "" {
		return 0, nil
	}
	usec, err := strconv.ParseInt(text, 10, 64)
	if err != nil || usec <= 0 || usec > longest {
		return 0, fmt.Errorf("WATCHDOG_USEC (%q) must be a positive number of microseconds", text)
	}
	if text := o.Getenv("WATCHDOG_PID"); text != "" {
		pid, err := strconv.Atoi(text)
		if err != nil || pid <= 0 {
			return 0, fmt.Errorf("WATCHDOG_PID (%q) must be a process ID", text)
		}
		if pid != o.PID {
			return 0, nil
		}
	}
	return time.Duration(usec) * time.Microsecond, nil
}

// Ready says that the daemon serves, at start or after Reloading.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Status sets the line that systemctl status shows.
func (n *Notifier) Status(line string) error {
	return n.send("STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' { // a newline would begin another assignment
			return ' '
		}
		return r
	}, line))
}

// Reloading says that the configuration is being read again. Ready ends it,
// also when the old configuration stays in force.
func (n *Notifier) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping says that the daemon is on its way out.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Watchdog says that the daemon is alive.
func (n *Notifier) Watchdog() error { return n.send("WATCHDOG=1") }

// WatchdogInterval is the silence after which systemd kills the daemon; false
// if it does not.
func (n *Notifier) WatchdogInterval() (time.Duration, bool) { return n.watchdog, n.watchdog > 0 }

// Feed calls Watchdog at half the interval as long as healthy returns nil. It
// returns when ctx ends, or at once if nobody watches. While the daemon is not
// healthy, report is told why and systemd hears nothing.
//
// healthy must return soon: what hangs is not fed.
func (n *Notifier) Feed(ctx context.Context, healthy func() error, report func(error)) {
	if n.watchdog <= 0 {
		return
	}
	ticker := time.NewTicker(n.watchdog / 2)
	defer ticker.Stop()
	for {
		err := healthy()
		if err == nil {
			err = n.Watchdog()
		}
		if err != nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// send writes one datagram. It gives up after a second: a full queue must not
// hold up the daemon.
func (n *Notifier) send(state string) error {
	if n.socket == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, n.socket)
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
