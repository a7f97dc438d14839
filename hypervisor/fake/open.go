package fake

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
)

//go:embed default.json
var defaultWorld []byte

// Default is the world of "sim:": three hosts with seven domains, one of which
// cannot be moved. After 45 s host h1 is beyond 80 % of its CPU.
func Default() Spec {
	s, err := Parse(bytes.NewReader(defaultWorld))
	if err != nil {
		panic("fake: the embedded world: " + err.Error())
	}
	return s
}

// Scheme is how URLs of simulated hypervisors begin.
const Scheme = "sim:"

// Open returns the hypervisor that a URL names:
//
//	sim:                                 host h1 of the default world, alone in this process
//	sim:?host=h2&world=/path/world.json  host h2 of a world read from a file
//	sim:unix:/path/world.sock?host=h2    host h2 of the world served at the socket
//	sim:unix:/path/world.sock?host=h1&serve=true
//	                                     serve a world at the socket and be its host h1
//
// host left out is the first one. world goes with serve and with a world of this
// process. The Closer ends what was opened, the served world included; it does
// not wait for calls of other processes.
func Open(ctx context.Context, rawURL string) (*Hypervisor, io.Closer, error) {
	a, err := parseAddress(rawURL)
	if err != nil {
		return nil, nil, err
	}
	if a.socket != "" && !a.serve {
		h, err := Dial(a.socket).Hypervisor(ctx, a.host)
		if err != nil {
			return nil, nil, fmt.Errorf("open %s: %w", rawURL, err)
		}
		return h, closer(func() error { return nil }), nil
	}
	w, err := openWorld(a.world)
	if err != nil {
		return nil, nil, err
	}
	if a.host == "" {
		a.host = w.hosts[0].spec.Name
	}
	h, err := w.Hypervisor(a.host)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", rawURL, err)
	}
	if !a.serve {
		return h, closer(func() error { return nil }), nil
	}
	s, err := Listen(a.socket, w)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", rawURL, err)
	}
	return h, s, nil
}

type closer func() error

func (c closer) Close() error { return c() }

// address is a parsed URL.
type address struct {
	socket, host, world string
	serve               bool
}

func parseAddress(rawURL string) (address, error) {
	var a address
	rest, ok := strings.CutPrefix(rawURL, Scheme)
	if !ok {
		return a, fmt.Errorf("hypervisor %q must begin with %q", rawURL, Scheme)
	}
	where, query, _ := strings.Cut(rest, "?")
	if where != "" {
		if a.socket, ok = strings.CutPrefix(where, "unix:"); !ok || a.socket == "" {
			return a, fmt.Errorf("hypervisor %q: %q must be empty or unix:/path/of/socket", rawURL, where)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return a, fmt.Errorf("hypervisor %q: %w", rawURL, err)
	}
	for key, v := range values {
		switch key {
		case "host":
			a.host = v[0]
		case "world":
			a.world = v[0]
		case "serve":
			if a.serve, err = strconv.ParseBool(v[0]); err != nil {
				return a, fmt.Errorf("hypervisor %q: serve (%q) must be true or false", rawURL, v[0])
			}
		default:
			return a, fmt.Errorf("hypervisor %q: %q is unknown; there are host, world and serve", rawURL, key)
		}
	}
	switch {
	case a.serve && a.socket == "":
		return a, fmt.Errorf("hypervisor %q: serve needs unix:/path/of/socket", rawURL)
	case a.world != "" && a.socket != "" && !a.serve:
		return a, fmt.Errorf("hypervisor %q: world belongs to who serves it", rawURL)
	}
	return a, nil
}

// openWorld makes a live world from a file, or the default one.
func openWorld(path string) (*World, error) {
	if path == "" {
		return NewLive(Default())
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("world %s does not exist", path)
	}
	if err != nil {
		return nil, fmt.Errorf("world: %w", err)
	}
	s, err := Parse(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return NewLive(s)
}
