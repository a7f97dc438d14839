package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

const labName = "demo"

// labTheatre plays on real hosts.
type labTheatre struct {
	lab     *lab.Lab
	bin     string
	guests  map[string]*lab.Guest
	watches map[string]*lab.Watch
	load    int // of web1, in percent of a core
}

// The load of web1 when it turns hot, by how much it rises where that is not
// enough, and the highest with which it still fits elsewhere.
const (
	hotLoad, hotterBy, hottestLoad = 30, 5, 45
)

// buildLab raises three real hosts with guests and daemons.
func buildLab(ctx context.Context, bin string) ([]*stage.Daemon, theatre, error) {
	began := time.Now()
	l, err := lab.Up(ctx, lab.Options{
		Name: labName, Hosts: 3, KeepaliveInterval: time.Second, KeepaliveCount: 3,
		Weight: 1 << 15, // before whatever else the machine has to do
	})
	if err != nil {
		return nil, nil, err
	}
	say("Three hosts, each a libvirtd with its own network and 0.6 of a CPU, are up after %.1f s.", time.Since(began).Seconds())
	t := &labTheatre{lab: l, bin: bin, guests: map[string]*lab.Guest{}, watches: map[string]*lab.Watch{}}
	daemons, err := t.populate(ctx)
	if err != nil {
		_ = l.Down(context.WithoutCancel(ctx)) // the first error is the one to tell
		return nil, nil, err
	}
	return daemons, t, nil
}

// populate starts guests and daemons.
func (t *labTheatre) populate(ctx context.Context) ([]*stage.Daemon, error) {
	ignored := `<vb:domain xmlns:vb="https://virtbalance.org/domain/1"><vb:ignore/></vb:domain>`
	for _, g := range []struct {
		host string
		spec lab.GuestSpec
	}{
		{"h1", lab.GuestSpec{Name: "web1", Load: 5}},
		{"h1", lab.GuestSpec{Name: "db1", Load: 22}},
		{"h1", lab.GuestSpec{Name: "vault1", Load: 8, Metadata: ignored}},
		{"h2", lab.GuestSpec{Name: "app2", Load: 30}},
		{"h3", lab.GuestSpec{Name: "cache3", Load: 4}},
	} {
		g.spec.Persistent = true
		guest, err := t.lab.Host(g.host).StartGuest(ctx, g.spec)
		if err != nil {
			return nil, err
		}
		t.guests[guest.Name] = guest
	}
	for _, guest := range t.guests {
		if err := guest.WaitBooted(ctx); err != nil {
			return nil, err
		}
		watch, err := guest.Watch(ctx)
		if err != nil {
			return nil, err
		}
		t.watches[guest.Name] = watch
	}
	daemons, err := stage.OnLab(t.lab, filepath.Join(t.bin, "virtbalanced"), settings)
	if err != nil {
		return nil, err
	}
	for _, d := range daemons {
		if err := d.Start(ctx); err != nil {
			return nil, err
		}
	}
	say("Five real QEMU guests run on them, and a virtbalanced on each host.")
	return daemons, nil
}

// Heat has loadgen keep h1 busy, and a guest there turn hot.
func (t *labTheatre) Heat(ctx context.Context) error {
	h1 := t.lab.Host("h1")
	if _, err := h1.Start("loadgen", filepath.Join(t.bin, "loadgen"), "--min", "50", "--max", "60", "--duration", "10m"); err != nil {
		return err
	}
	say("loadgen holds h1 within 50..60 %%, and the guest web1 turns hot.")
	t.load = hotLoad
	return t.guests["web1"].SetLoad(ctx, h1, t.load)
}

// Hotter has web1 want more.
func (t *labTheatre) Hotter(ctx context.Context) error {
	if t.load >= hottestLoad {
		return nil
	}
	t.load += hotterBy
	say("This machine is busy with something else, and h1 stays below its high mark: web1 turns hotter.")
	return t.guests["web1"].SetLoad(ctx, t.lab.Host("h1"), t.load)
}

// Proof reads what the guest wrote to its console all the while.
func (t *labTheatre) Proof(guest string) (string, error) {
	record, err := t.watches[guest].Stop()
	if err != nil {
		return "", err
	}
	if err := record.Err(); err != nil {
		return "", fmt.Errorf("guest %s was disturbed: %w", guest, err)
	}
	return fmt.Sprintf("No: its own counter has %d lines without a gap; its clock stood still for %.0f ms at most",
		record.Lines, float64(record.LongestStop.Microseconds())/1000), nil
}

func (t *labTheatre) Down(ctx context.Context) error { return t.lab.Down(ctx) }
