package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/peer"
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
	balancer atomic.Pointer[balancer.Balancer]
	gossip   *gossip.Gossip
	facts    policy.HostFacts
}

// run is the daemon from its configuration to its end. It returns nil when ctx
// has ended.
func (d *daemon) run(ctx context.Context, cfg config.Config) error {
	d.config = cfg
	g, ctx := errgroup.WithContext(ctx)

	// What people and Prometheus look at comes first: it says what the daemon
	// is waiting for.
	server := api.NewServer(d.log.With("component", "api"))
	socket, err := listenSocket(cfg.API)
	if err != nil {
		return err
	}
	g.Go(func() error { return server.Run(ctx, socket) })
	observer := &observer{}
	// Started is not the same as balancing: libvirt may come up after us, and
	// must not hold up the boot.

	g.Go(func() error {
		err := d.start(ctx, g, server, observer)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	g.Go(func() error { return d.reload(ctx) })

	err = g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// start waits for the hypervisor, and then makes and runs everything that needs
// to know which host this is.
func (d *daemon) start(ctx context.Context, g *errgroup.Group, server *api.Server, observer *observer) error {
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
		Logger:    d.log.With("component", "gossip"),
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
		Hypervisor: hypervisor, Cluster: d.gossip, Peers: peers,
		Journal: journal, StateDir: cfg.StateDir,
		Tuning:   tuning(cfg),
		Sampling: balancer.Sampling{Interval: cfg.Sampling.Interval, Jitter: 0.1},
		Transfer: balancer.TransferOptions{
			URI:            cfg.Libvirt.MigrateURI,
			DeadlineFactor: cfg.Libvirt.DeadlineFactor, DeadlineMin: cfg.Libvirt.DeadlineMin,
			MaxDowntime: cfg.Libvirt.MaxDowntime, Bandwidth: cfg.Libvirt.Bandwidth,
		},
		Observer: observer, Log: d.log.With("component", "balancer"),
		NewID: func() policy.OpID { return policy.OpID(uuid.NewString()) },
	})
	if err != nil {
		return err
	}
	peerServer, err := peer.NewServer(peer.ServerOptions{
		Self: d.facts.ID, Address: cfg.Peer.Listen,
		Certificates: certificates, Identify: peer.IdentifyByName(d.namesOf), Insecure: cfg.Peer.Insecure,
		Handler: b, Log: d.log.With("component", "peer"),
	})
	if err != nil {
		return err
	}
	g.Go(func() error { return peerServer.Run(ctx) })

	server.Show(b)
	d.balancer.Store(b)
	d.log.Info("balancing", "host", d.facts.Name, "uuid", d.facts.ID, "mode", cfg.Mode.String(),
		"capacity", d.facts.Capacity.CPU.String(), "memory", d.facts.Capacity.Memory.String())
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

// certificates reads this host's certificates; nil where peer.insecure is set.
func certificates(p config.Peer, log *slog.Logger) (*peer.Certificates, error) {
	if p.Insecure {
		return nil, nil //nolint:nilnil // insecure means none
	}
	files := peer.Files{
		CA: p.CAFile, CRL: p.CRLFile, Cert: p.CertFile, Key: p.KeyFile,
		ClientCert: p.ClientCertFile, ClientKey: p.ClientKeyFile,
	}
	return peer.NewCertificates(peer.CertificateOptions{
		Files: files.WithCredentials(os.Getenv("CREDENTIALS_DIRECTORY")), Log: log,
	})
}

// checkFiles reads what the configuration names, and returns every fault.
func checkFiles(cfg config.Config) error {
	_, keys := cfg.GossipKeys(os.Getenv)
	_, certs := certificates(cfg.Peer, nil)
	return errors.Join(keys, certs)
}

// reload applies the configuration file again at each SIGHUP, and keeps the old
// configuration when there is anything wrong with the new one.
func (d *daemon) reload(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hangup:
		}
		if err := d.reloadOnce(ctx); err != nil {
			d.log.Error("configuration not reloaded, the old one stays in force", "err", err)
		}
	}
}

func (d *daemon) reloadOnce(ctx context.Context) error {
	next, err := config.Load(d.path)
	if err != nil {
		return err
	}
	live := config.Live(d.config, next)
	if err := live.Validate(); err != nil {
		return err
	}
	b := d.balancer.Load()
	if b == nil {
		return errors.New("the daemon is still starting")
	}
	keys, err := live.GossipKeys(os.Getenv)
	if err != nil {
		return err
	}
	if err := d.gossip.Rekey(keys); err != nil {
		return err
	}
	changes, needRestart := config.Reloadable(d.config, next)
	d.config = live
	d.level.Set(live.LogLevel)
	if err := d.gossip.SetFacts(d.complete(d.facts)); err != nil {
		return err
	}
	if err := b.Retune(ctx, tuning(live)); err != nil {
		return err
	}
	for _, c := range changes {
		d.log.Info("configuration changed", "key", c.Key, "old", c.Old, "new", c.New)
	}
	for _, c := range needRestart {
		d.log.Warn("configuration changed, but only a restart puts this in force", "key", c.Key, "old", c.Old, "new", c.New)
	}
	return nil
}

// tuning is what of the configuration the balancer works by.
func tuning(cfg config.Config) balancer.Tuning {
	return balancer.Tuning{
		Policy: cfg.Policy, Mode: cfg.Mode,
		TimeConstant: cfg.Sampling.TimeConstant,
		ReserveTTL:   cfg.Peer.ReserveTTL,
	}
}

// listenSocket makes the unix socket, for its owner and group only. A socket
// that a crash left behind is replaced; one that answers is not.
func listenSocket(cfg config.API) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(cfg.Socket), 0o755); err != nil {
		return nil, fmt.Errorf("api.socket (%q): %w", cfg.Socket, err)
	}
	if c, err := net.Dial("unix", cfg.Socket); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("api.socket (%q): another virtbalanced answers there", cfg.Socket)
	}
	if err := os.Remove(cfg.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("api.socket (%q): %w", cfg.Socket, err)
	}
	old := syscall.Umask(0o117) // nobody else gets in between making and chmod
	l, err := net.Listen("unix", cfg.Socket)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("api.socket (%q): %w", cfg.Socket, err)
	}
	if cfg.SocketGroup != "" {
		if err := chgrp(cfg.Socket, cfg.SocketGroup); err != nil {
			return nil, errors.Join(fmt.Errorf("api.socket_group (%q): %w", cfg.SocketGroup, err), l.Close())
		}
	}
	return l, nil
}
