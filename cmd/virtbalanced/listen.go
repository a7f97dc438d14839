package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/virtbalance/virtbalance/balancer/access"
	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/web"
	"github.com/virtbalance/virtbalance/metrics"
)

// listenSocket makes the unix socket. A socket that a crash left behind is
// replaced; one that answers is not.
//
// A file has one group. Where two may use the socket, everybody may connect, and
// is judged by access.Groups then; where one is enough, others do not get as far.
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
	mask := 0o117
	if cfg.ReadGroup != "" {
		mask = 0o111
	}
	old := syscall.Umask(mask) // nobody else gets in between making and chmod
	l, err := net.Listen("unix", cfg.Socket)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("api.socket (%q): %w", cfg.Socket, err)
	}
	if cfg.ChangeGroup != "" && cfg.ReadGroup == "" {
		if err := chgrp(cfg.Socket, cfg.ChangeGroup); err != nil {
			return nil, errors.Join(fmt.Errorf("api.change_group (%q): %w", cfg.ChangeGroup, err), l.Close())
		}
	}
	return l, nil
}

// apiGroups finds the groups that may use the socket.
func apiGroups(cfg config.API) (access.Groups, error) {
	g := access.Groups{Owner: uint32(os.Geteuid()), ReadersName: cfg.ReadGroup, ChangersName: cfg.ChangeGroup}
	var err error
	if cfg.ReadGroup != "" {
		if g.Readers, err = groupID("api.read_group", cfg.ReadGroup); err != nil {
			return g, err
		}
	}
	if cfg.ChangeGroup != "" {
		g.Changers, err = groupID("api.change_group", cfg.ChangeGroup)
		return g, err
	}
	own := uint32(os.Getegid())
	g.Changers, g.ChangersName = &own, strconv.FormatUint(uint64(own), 10)
	if named, err := user.LookupGroupId(g.ChangersName); err == nil {
		g.ChangersName = named.Name
	}
	return g, nil
}

func groupID(key, name string) (*uint32, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return nil, fmt.Errorf("%s (%q): %w", key, name, err)
	}
	id, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%s (%q): %w", key, name, err)
	}
	gid := uint32(id)
	return &gid, nil
}

// listen opens everything that people and Prometheus look at.
func (d *daemon) listen(ctx context.Context, g *errgroup.Group, server *api.Server) error {
	log := d.log.With("component", "api")
	groups, err := apiGroups(d.config.API)
	if err != nil {
		return err
	}
	socket, err := listenSocket(d.config.API)
	if err != nil {
		return err
	}
	g.Go(func() error {
		return access.ServeSocket(ctx, access.SocketOptions{Listener: socket, Handler: server.Handler(), Groups: groups, Log: log, Refusals: &d.observer.socket})
	})
	if a := d.config.API; a.Listen != "" {
		if err := d.listenPage(ctx, g, server, log); err != nil {
			return err
		}
	}
	if m := d.config.Metrics; m.Listen != "" {
		log := d.log.With("component", "metrics")
		handler := metrics.Handler(metrics.HandlerOptions{Registry: d.observer.registry, Healthy: d.healthy, Ready: d.ready, Log: log})
		return listenWeb(ctx, g, "metrics", m.Listen, access.WebOptions{Handler: handler, Config: m.WebConfig, Log: log, Refusals: &d.observer.scrapes})
	}
	return nil
}

// listenPage serves the web page and the API on TCP.
func (d *daemon) listenPage(ctx context.Context, g *errgroup.Group, server *api.Server, log *slog.Logger) error {
	a := d.config.API
	demands, err := access.WebDemands(a.WebConfig)
	if err != nil {
		return fmt.Errorf("api.web_config: %w", err)
	}
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	listen, _, _ := net.SplitHostPort(a.Listen) // Validate has seen it
	handler, err := web.Handler(web.Options{
		API:   server.Handler(),
		Names: []string{d.config.Host.Name, hostname, listen}, AnyName: demands.Authentication,
	})
	if err != nil {
		return err
	}
	err = listenWeb(ctx, g, "api", a.Listen, access.WebOptions{Handler: handler, Config: a.WebConfig, Log: log, Refusals: &d.observer.page})
	if errors.Is(err, syscall.EADDRINUSE) {
		// No reason not to look after the host's domains.
		log.Error("no web page: something else listens there", "err", err)
		return nil
	}
	return err
}

// listenWeb serves on TCP until ctx ends. section is that of the configuration,
// as errors name it.
func listenWeb(ctx context.Context, g *errgroup.Group, section, address string, o access.WebOptions) error {
	if _, err := access.WebDemands(o.Config); err != nil {
		return fmt.Errorf("%s.web_config: %w", section, err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s.listen (%q): %w", section, address, err)
	}
	o.Listener = l
	g.Go(func() error { return access.ServeWeb(ctx, o) })
	return nil
}

// chgrp gives a file to a group.
func chgrp(path, group string) error {
	g, err := user.LookupGroup(group)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, -1, gid)
}
