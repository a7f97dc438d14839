// Command virtbalanced is the daemon on each hypervisor: it tells the fleet of
// this host's load, and live-migrates domains away when the host is overloaded
// for long enough.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/virtbalance/virtbalance/balancer/config"
)

// version is set by the build.
var version = "dev"

// Exit codes. A wrong configuration has one of its own (EX_CONFIG of
// sysexits(3)), so that systemd does not try again; 2 is also what Go exits with
// after a panic or when the watchdog ends it.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := pflag.NewFlagSet("virtbalanced", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "Usage: virtbalanced [flags]\n\nBalances the load of this hypervisor by live migration.\n\n%s", flags.FlagUsages())
	}
	path := flags.String("config", "/etc/virtbalanced/config.toml", "configuration `file`")
	check := flags.Bool("check-config", false, "check the configuration and the files that it names, and exit")
	checkAll := flags.Bool("check", false, "check whether this host is ready to balance, say what to do about each fault, and exit")
	hypervisor := flags.String("hypervisor", "libvirt", "`what` to balance: libvirt, or sim:... for a simulated world")
	showVersion := flags.Bool("version", false, "print the version and exit")
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "virtbalanced: %v; see virtbalanced --help\n", err)
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "virtbalanced: there is no argument %q; see virtbalanced --help\n", flags.Arg(0))
		return exitUsage
	case *showVersion:
		fmt.Fprintf(stdout, "virtbalanced %s\n", version)
		return exitOK
	}

	cfg, err := config.Load(*path)
	if err == nil && *checkAll {
		return runCheck(ctx, cfg, *path, *hypervisor, stdout)
	}
	if err == nil {
		err = checkFiles(cfg)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%v\n", err)
		return exitConfig
	}
	if *check {
		fmt.Fprintf(stdout, "%s is valid\n", *path)
		return exitOK
	}

	level := new(slog.LevelVar)
	level.Set(cfg.LogLevel)
	d := &daemon{
		path: *path, hypervisorURL: *hypervisor,
		level: level, log: newLogger(stderr, cfg.LogFormat, level),
	}
	if err := d.run(ctx, cfg); err != nil {
		d.log.Error("virtbalanced ends", "err", err)
		return exitFailed
	}
	return exitOK
}

// newLogger logs to w; journald adds the time by itself, but text logs are read
// elsewhere, too.
func newLogger(w io.Writer, format config.LogFormat, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == config.JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
