package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// elsewhere asks other hosts' daemons what the operator asks of this one.
type elsewhere struct {
	balancer *balancer.Balancer
	gossip   *gossip.Gossip
	peers    *peer.Client
}

// Relay implements api.Elsewhere.
func (e elsewhere) Relay(ctx context.Context, host string, r api.Request) (api.Answer, error) {
	id, missing, err := e.find(ctx, host)
	if err != nil {
		return api.Answer{}, err
	}
	endpoint, ok := e.gossip.Endpoint(id)
	if !ok {
		return api.Answer{}, errors.New("it is not a member of the fleet any more")
	}
	if missing != nil { // it may be back, and not have told of it yet
		const missingTimeout = 5 * time.Second
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, missingTimeout)
		defer cancel()
	}
	reply, err := e.peers.Relay(ctx, endpoint, id, peer.RelayRequest{Method: r.Method, Path: r.Path, Body: r.Body})
	if err != nil && missing != nil {
		err = fmt.Errorf("the host is missing, last seen %s ago: %w", time.Since(missing.LastSeen).Round(time.Second), err)
	}
	return api.Answer{Status: reply.Status, Body: reply.Body}, err
}

// find is the host of that name or UUID, and whether it is missing.
func (e elsewhere) find(ctx context.Context, host string) (policy.HostID, *policy.MissingHost, error) {
	hosts, err := e.balancer.Hosts(ctx)
	if err != nil {
		return "", nil, err
	}
	hosts = slices.DeleteFunc(hosts, func(h api.Host) bool { return h.Name != host && string(h.ID) != host })
	missing := slices.DeleteFunc(e.gossip.Missing(), func(h policy.MissingHost) bool { return h.Name != host && string(h.ID) != host })
	switch {
	case len(hosts) > 1 || len(hosts) == 0 && len(missing) > 1:
		return "", nil, fmt.Errorf("%d hosts have that name; say which by its UUID, as virtbalance hosts --format json shows it", max(len(hosts), len(missing)))
	case len(hosts) == 1 && hosts[0].Self:
		return "", nil, api.ErrHere
	case len(hosts) == 1:
		return hosts[0].ID, nil, nil
	case len(missing) == 1:
		return missing[0].ID, &missing[0], nil
	default:
		return "", nil, errors.New("no host of that name is known here; virtbalance hosts lists them")
	}
}

// obeys reports whether orders through other hosts are obeyed. Without TLS
// nobody knows who gives them, so they are not, unless only this host reaches the
// port: peer.insecure is for tests, and for networks that are trusted with
// questions.
func obeys(p config.Peer) bool {
	host, _, err := net.SplitHostPort(p.Listen)
	address, _ := netip.ParseAddr(host)
	return p.Orders && (!p.Insecure || err == nil && address.IsLoopback())
}

// relayed answers what an operator asks through another host's daemon. Orders
// are obeyed only if it is told so.
func (d *daemon) relayed(server *api.Server, orders bool) peer.Relay {
	return func(ctx context.Context, from policy.HostID, r peer.RelayRequest) peer.RelayReply {
		if r.Method != http.MethodGet {
			if !orders {
				return peer.RelayReply{
					Status: http.StatusForbidden,
					Body:   []byte(`{"error":"this host takes no orders through other hosts (peer.orders is false, or peer.insecure true); log in there"}`),
				}
			}
			d.log.Info("an order through another host", "from", from, "order", r.Path)
		}
		a := server.Answer(ctx, api.Request{Method: r.Method, Path: r.Path, Body: r.Body})
		return peer.RelayReply{Status: a.Status, Body: a.Body}
	}
}
