// Command demo shows the main job: three hosts, one of them heated until a
// guest is migrated away from it, live in the terminal. Where this machine can
// run them the hosts are real (package lab); elsewhere they are simulated.
//
//	demo            the whole story, and everything is taken down again
//	demo up|down    only the hosts, guests and daemons, to play with
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// settings make the daemons act within seconds, and let people see why first.
var settings = stage.Settings{Over: 6, Window: 8, Settle: 10 * time.Second}

// theatre is where the story plays.
type theatre interface {
	// Heat makes the first host hot.
	Heat(ctx context.Context) error
	// Hotter makes it hotter still: what was to be enough is not, on a machine that
	// is busy with something else.
	Hotter(ctx context.Context) error
	// Proof says whether the moved guest went on all the time, and how that is
	// known.
	Proof(guest string) (string, error)
	// Down takes everything away.
	Down(ctx context.Context) error
}

func run(ctx context.Context, args []string) error {
	what := ""
	if len(args) > 0 {
		what = args[0]
	}
	root, err := stage.Root()
	if err != nil {
		return err
	}
	bin := filepath.Join(root, "bin")
	switch {
	case len(args) > 1, what != "" && what != "up" && what != "down":
		return fmt.Errorf("usage: demo [up|down], got %q", args)
	case what == "down":
		return lab.Down(ctx, lab.Options{Name: labName})
	case what == "up":
		return up(ctx, bin)
	}
	began := time.Now()
	daemons, place, err := build(ctx, bin)
	if err != nil {
		return err
	}
	err = tell(ctx, daemons, place)
	say("Taking everything down.")
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err = errors.Join(err, place.Down(ending))
	if err == nil {
		say("Done after %.0f s. To play with the same hosts: make demo-up, and make demo-down at the end.", time.Since(began).Seconds())
	}
	return err
}

// build raises the hosts, real ones if this machine can.
func build(ctx context.Context, bin string) ([]*stage.Daemon, theatre, error) {
	binary := filepath.Join(bin, "virtbalanced")
	if _, err := os.Stat(binary); err != nil {
		return nil, nil, fmt.Errorf("%w: run make build first", err)
	}
	lacks := lab.Requirements()
	if len(lacks) == 0 {
		return buildLab(ctx, bin)
	}
	say("Real hosts cannot run on this machine:")
	for _, l := range lacks {
		say("  - %s", l)
	}
	say("So the same story runs on the simulated hypervisor.")
	return buildSim(ctx, binary)
}

func up(ctx context.Context, bin string) error {
	if lacks := lab.Requirements(); len(lacks) > 0 {
		return fmt.Errorf("real hosts cannot run on this machine: %q", lacks)
	}
	daemons, _, err := buildLab(ctx, bin)
	if err != nil {
		return err
	}
	say("Three hosts with a daemon and guests on each are up. Try:")
	for _, d := range daemons[:1] {
		say("  bin/virtbalance --socket %s hosts", d.Client.Socket())
		say("  bin/virtbalance --socket %s plan", d.Client.Socket())
	}
	say("  go run ./tests/lab/cmd/lab --name %s --help", labName)
	say("and heat a guest: go run ./tests/lab/cmd/lab --name %s load h1 web1 30", labName)
	say("The end: make demo-down")
	return nil
}

// say prints one line of the story.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// isTerminal tells people from pipes.
func isTerminal() bool { return term.IsTerminal(int(os.Stdout.Fd())) }
