package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/virtbalance/virtbalance/tests/stage"
)

// simTheatre plays on the simulated hypervisor.
type simTheatre struct {
	dir     string
	daemons []*stage.Daemon
}

func buildSim(ctx context.Context, binary string) ([]*stage.Daemon, theatre, error) {
	dir, err := os.MkdirTemp("", "virtbalance-demo")
	if err != nil {
		return nil, nil, err
	}
	daemons, err := stage.OnSim(dir, binary, settings)
	if err != nil {
		return nil, nil, err
	}
	t := &simTheatre{dir: dir}
	for _, d := range daemons {
		t.daemons = append(t.daemons, d)
		if err := d.Start(ctx); err != nil {
			return nil, nil, errors.Join(err, t.Down(ctx))
		}
	}
	say("Three simulated hosts with five guests are up, and a virtbalanced for each.")
	return daemons, t, nil
}

// Heat is in the script of the simulated world.
func (t *simTheatre) Heat(context.Context) error {
	say("The guest web1 turns hot.")
	return nil
}

// Hotter has nothing to do: no machine is too busy for a simulated guest.
func (t *simTheatre) Hotter(context.Context) error { return nil }

func (t *simTheatre) Proof(string) (string, error) {
	return "On simulated hosts there is no console to read; run it where real ones can run", nil
}

func (t *simTheatre) Down(ctx context.Context) error {
	var errs []error
	for _, d := range t.daemons {
		_ = d.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case <-d.Done():
		case <-time.After(10 * time.Second):
			errs = append(errs, d.Kill(ctx))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(t.dir))...)
}
