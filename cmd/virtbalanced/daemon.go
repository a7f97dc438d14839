package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/balancer/sdnotify"
	"github.com/virtbalance/virtbalance/policy"
)

// daemon is one life of the process. Its wiring is long and straight: each part
// is made, handed to those that need it, and run in one group, which ends as a
// whole.
type daemon struct {
	path          string
	hypervisorURL string
	log           *slog.Logger
	level         *slog.LevelVar

	config   config.Config
	notify   *sdnotify.Notifier
	observer *observer
	balancer atomic.Pointer[balancer.Balancer]
	gossip   *gossip.Gossip
	facts    policy.HostFacts
}

// run is the daemon from its configuration to its end. It returns nil when ctx
// has ended.
func (d *daemon) run(ctx context.Context, cfg config.Config) error {
	d.config = cfg
	var err error
	d.notify, err = sdnotify.New(sdnotify.Options{Getenv: os.Getenv, PID: os.Getpid()})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)

	// What people and Prometheus look at comes first: it says what the daemon
	// is waiting for.
	server := api.NewServer()
	d.observer = newObserver(cfg.Metrics.Domains)
	if err := d.listen(ctx, g, server); err != nil {
		g.Go(func() error { return err }) // ends what listens already
		return g.Wait()
	}
	// Started is not the same as balancing: libvirt may come up after us, and
	// must not hold up the boot.
	d.tell(d.notify.Ready())

	g.Go(func() error {
		err := d.start(ctx, g, server)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	g.Go(func() error { return d.reload(ctx) })
	g.Go(func() error {
		d.notify.Feed(ctx, d.fit, func(err error) { d.log.Error("the watchdog is not fed", "err", err) })
		return nil
	})

	err = g.Wait()
	d.tell(d.notify.Stopping())
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// start waits for the hypervisor, and then makes and runs everything that needs
// to know which host this is.
func (d *daemon) start(ctx context.Context, g *errgroup.Group, server *api.Server) error {
	cfg := d.config
	hypervisor, err := d.openHypervisor(ctx, g)
	if err != nil {
		return err
	}
	d.facts, err = d.waitForFacts(ctx, hypervisor, server)
	if err != nil {
		return err
	}

	keys, err := cfg.GossipKeys(os.Getenv)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return fmt.Errorf("state_dir (%q): %w", cfg.StateDir, err)
	}
	d.gossip, err = gossip.New(gossip.Options{
		Self: d.facts, Listen: cfg.Gossip.Listen, Advertise: cfg.Gossip.Advertise,
		Join: cfg.Gossip.Join, Label: cfg.Gossip.Label, Keys: keys, Insecure: cfg.Gossip.Insecure,
		PeersFile: filepath.Join(cfg.StateDir, "peers.json"),
		Logger:    d.log,
	})
	if err != nil {
		return err
	}
	// Whoever has called New must call Run, if only to give the port back.
	g.Go(func() error { return d.gossip.Run(ctx) })

	certificates, err := certificates(cfg.Peer, d.log.With("component", "peer"))
	if err != nil {
		return err
	}
	peers, err := peer.NewClient(peer.ClientOptions{Self: d.facts.ID, Certificates: certificates, Insecure: cfg.Peer.Insecure})
	if err != nil {
		return err
	}
	defer peers.Close()

	journal, err := balancer.OpenJournal(cfg.StateDir)
	if err != nil {
		return err
	}
	defer journal.Close()
	b, err := balancer.New(balancer.Options{
		Version: version, Facts: d.facts,
		Hypervisor: hypervisor, Cluster: d.gossip, Peers: peers, Neighbours: peers,
		Journal: journal, StateDir: cfg.StateDir,
		Tuning: tuning(cfg),
		Transfer: balancer.TransferOptions{
			URI:            cfg.Libvirt.MigrateURI,
			DeadlineFactor: cfg.Libvirt.DeadlineFactor, DeadlineMin: cfg.Libvirt.DeadlineMin,
			MaxDowntime: cfg.Libvirt.MaxDowntime, Bandwidth: cfg.Libvirt.Bandwidth,
		},
		Observer: d.observer, Log: d.log.With("component", "balancer"),
		NewID: func() policy.OpID { return policy.OpID(uuid.NewString()) },
	})
	if err != nil {
		return err
	}
	peerServer, err := peer.NewServer(peer.ServerOptions{
		Self: d.facts.ID, Address: cfg.Peer.Listen,
		Certificates: certificates, Identify: peer.IdentifyByName(d.namesOf), Insecure: cfg.Peer.Insecure,
		Handler: b, Relay: d.relayed(server, obeys(cfg.Peer)), Log: d.log.With("component", "peer"),
	})
	if err != nil {
		return fmt.Errorf("peer.listen (%q): %w", cfg.Peer.Listen, err)
	}
	g.Go(func() error { return peerServer.Run(ctx) })

	d.observer.watchGossip(d.gossip)
	d.observer.watchPeers(peerServer, certificates)
	server.Show(b)
	server.ShowElsewhere(elsewhere{b, d.gossip, peers})
	d.balancer.Store(b)
	d.log.Info("balancing", "host", d.facts.Name, "uuid", d.facts.ID, "mode", cfg.Mode.String(),
		"capacity", d.facts.Capacity.CPU.String(), "memory", d.facts.Capacity.Memory.String())
	d.tell(d.notify.Status("balancing"))
	return b.Run(ctx)
}

// waitForFacts asks the hypervisor which host this is until it answers.
func (d *daemon) waitForFacts(ctx context.Context, h balancer.Hypervisor, server *api.Server) (policy.HostFacts, error) {
	for wait := time.Second / 4; ; wait = min(2*wait, 5*time.Second) {
		facts, err := h.Facts(ctx)
		if err == nil {
			return d.complete(facts), nil
		}
		why := fmt.Sprintf("waiting for the hypervisor: %v", err)
		server.Waiting(why)
		d.tell(d.notify.Status(why))
		if wait == time.Second/4 {
			d.log.Warn("waiting for the hypervisor", "err", err)
		}
		select {
		case <-ctx.Done():
			return policy.HostFacts{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// complete adds what the configuration says to what the hypervisor knows.
func (d *daemon) complete(facts policy.HostFacts) policy.HostFacts {
	if d.config.Host.Name != "" {
		facts.Name = d.config.Host.Name
	}
	facts.Labels = d.config.Host.Labels
	facts.Endpoint.Migration = d.config.Libvirt.MigrationAddress
	if facts.Endpoint.Migration == "" {
		facts.Endpoint.Migration = facts.Name
	}
	facts.Endpoint.Peer = d.config.Peer.Advertise
	if facts.Endpoint.Peer == "" {
		_, port, _ := net.SplitHostPort(d.config.Peer.Listen) // Validate has seen it
		facts.Endpoint.Peer = ":" + port
	}
	return facts
}

// namesOf is what gossip says a host is called; peers' certificates are held
// against it.
func (d *daemon) namesOf(id policy.HostID) ([]string, bool) {
	e, ok := d.gossip.Endpoint(id)
	if !ok {
		return nil, false
	}
	host, _, err := net.SplitHostPort(e.Peer)
	if err != nil {
		return nil, false
	}
	return []string{host, e.Migration}, true
}

// fit feeds the watchdog as long as the control loop comes round and libvirt's
// event loop runs. Before there is a control loop, waiting is living.
func (d *daemon) fit() error {
	if why := d.healthy(); len(why) > 0 {
		return errors.New(strings.Join(why, "; "))
	}
	return nil
}

// tell logs what systemd could not be told.
func (d *daemon) tell(err error) {
	if err != nil {
		d.log.Warn("systemd not told", "err", err)
	}
}

// tuning is what of the configuration the balancer works by.
func tuning(cfg config.Config) balancer.Tuning {
	windows, _ := cfg.Schedule.Compile() // both have been validated
	shadow, _ := cfg.ShadowPolicy()
	return balancer.Tuning{
		Policy: cfg.Policy, Shadow: shadow, Record: cfg.Record, Mode: cfg.Mode, Windows: windows,
		Interval: cfg.Sampling.Interval, TimeConstant: cfg.Sampling.TimeConstant, Horizon: cfg.Horizon(),
		ReserveTTL: cfg.Peer.ReserveTTL,
	}
}
