package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
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
	id, err := e.find(ctx, host)
	if err != nil {
		return api.Answer{}, err
	}
	endpoint, ok := e.gossip.Endpoint(id)
	if !ok {
		return api.Answer{}, errors.New("it is not a member of the fleet any more")
	}
	reply, err := e.peers.Relay(ctx, endpoint, id, peer.RelayRequest{Method: r.Method, Path: r.Path, Body: r.Body})
	return api.Answer{Status: reply.Status, Body: reply.Body}, err
}

// find is the host of that name or UUID.
func (e elsewhere) find(ctx context.Context, host string) (policy.HostID, error) {
	hosts, err := e.balancer.Hosts(ctx)
	if err != nil {
		return "", err
	}
	var found []api.Host
	for _, h := range hosts {
		if h.Name == host || string(h.ID) == host {
			found = append(found, h)
		}
	}
	switch {
	case len(found) == 0:
		for _, h := range e.gossip.Missing() {
			if h.Name == host || string(h.ID) == host {
				return "", fmt.Errorf("the host is missing: it was last seen %s ago", time.Since(h.LastSeen).Round(time.Second))
			}
		}
		return "", errors.New("no host of that name is known here; virtbalance hosts lists them")
	case len(found) > 1:
		return "", fmt.Errorf("%d hosts have that name; say which by its UUID, as virtbalance hosts --format json shows it", len(found))
	case found[0].Self:
		return "", api.ErrHere
	default:
		return found[0].ID, nil
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
