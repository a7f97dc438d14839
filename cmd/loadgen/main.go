package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/virtbalance/virtbalance/loadgen"
)

// version is set when a release is built: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// Exit codes.
const (
	exitOK       = 0
	exitMissed   = 1 // --strict: the band was not reached or not held
	exitBadInput = 2
)

func main() {
	// The control loop runs here and keeps the process's first thread, which
	// is easy to find in top.
	runtime.LockOSThread()

	// The loops allocate next to nothing, and a collection would stop the
	// workers; the limit is for what the metrics listener leaves behind.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(64 << 20)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		complain(stderr, err)
		return exitBadInput
	case c.version:
		fmt.Fprintln(stdout, "loadgen", versionText())
		return exitOK
	}
	for _, w := range c.warnings() {
		fmt.Fprintln(stderr, "loadgen: warning:", w)
	}
	code, err := hold(ctx, c, stdout, stderr)
	if err != nil {
		complain(stderr, err)
	}
	return code
}

// complain prints each of several joined errors on a line of its own.
func complain(w io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(w, "loadgen:", line)
	}
}

// hold runs the generator and shows what it reports until it ends.
func hold(ctx context.Context, c config, stdout, stderr io.Writer) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	views := []view{c.view(stdout, stderr)}
	if c.metricsListen != "" {
		m, err := listenMetrics(c.metricsListen, stderr)
		if err != nil {
			return exitBadInput, err
		}
		defer m.close()
		views = append(views, m)
	}

	// A view may be slow (a terminal over a bad line); the generator drops
	// reports rather than wait for it.
	const backlog = 16
	reports := make(chan loadgen.Report, backlog)
	shown := make(chan bool)
	go func() {
		var hopeless time.Duration // since when; 0: not
		gaveUp := false
		for r := range reports {
			for _, v := range views {
				v.report(r)
			}
			switch {
			case !r.Obstacle.Own():
				hopeless = 0
			case hopeless == 0:
				hopeless = r.At
			case c.strict && r.At-hopeless >= giveUp:
				gaveUp = true
				cancel()
			}
		}
		shown <- gaveUp
	}()
	sum, err := loadgen.Run(ctx, c.options, reports)
	close(reports)
	gaveUp := <-shown
	if err != nil {
		return exitBadInput, err
	}
	for _, v := range views {
		v.end(sum)
	}
	if c.strict && (gaveUp || !sum.Settled || sum.InBand < strictShare) {
		return exitMissed, nil
	}
	return exitOK, nil
}

// giveUp is how long --strict waits for other work to help where the own limits
// alone keep the band out of reach.
const giveUp = 3 * time.Second

// strictShare is the share of time in band below which --strict says that the
// band was not held.
const strictShare = 0.95

func versionText() string {
	if version != "dev" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	text := version
	if v := info.Main.Version; v != "" && v != "(devel)" {
		text = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(text, s.Value[:min(12, len(s.Value))]) {
			text += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return text + " " + info.GoVersion
}
