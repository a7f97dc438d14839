package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/virtbalance/virtbalance/balancer/config"
)

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

// listenHTTP serves handler on host:port until ctx ends.
func listenHTTP(ctx context.Context, g *errgroup.Group, key, address string, handler http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s (%q): %w", key, address, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
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
