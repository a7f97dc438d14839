package peer_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

func TestRelayedRequestsAreAnswered(t *testing.T) {
	ca := newAuthority(t)
	var got peer.RelayRequest
	_, endpoint := serve(t, peer.ServerOptions{
		Certificates: certificates(t, ca.files(nil)),
		Relay: func(_ context.Context, from policy.HostID, r peer.RelayRequest) peer.RelayReply {
			if from != hostA {
				t.Errorf("asked by %s, want %s", from, hostA)
			}
			got = r
			return peer.RelayReply{Status: http.StatusConflict, Body: json.RawMessage(`{"name":"a\u001b[31mb","n":12345678901234567890,"list":["\u202e"]}`)}
		},
	})
	c := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))})
	reply, err := c.Relay(t.Context(), endpoint, hostB, peer.RelayRequest{Method: http.MethodPost, Path: "/v1/drain?check=true", Body: json.RawMessage(`{"a":1}`)})
	must(t, err)
	if got.Path != "/v1/drain?check=true" || got.Method != http.MethodPost || string(got.Body) != `{"a":1}` {
		t.Errorf("arrived as %+v", got)
	}
	// What would move a terminal's cursor is gone, and nothing else.
	want := `{"list":[" "],"n":12345678901234567890,"name":"a [31mb"}`
	if reply.Status != http.StatusConflict || strings.TrimSpace(string(reply.Body)) != want {
		t.Errorf("answered %d %s, want %s", reply.Status, reply.Body, want)
	}
}

func TestRelayedRequestsAreBounded(t *testing.T) {
	_, endpoint := serve(t, peer.ServerOptions{Insecure: true, Relay: func(context.Context, policy.HostID, peer.RelayRequest) peer.RelayReply {
		return peer.RelayReply{Status: http.StatusOK}
	}})
	c := client(t, peer.ClientOptions{Insecure: true})
	for name, r := range map[string]peer.RelayRequest{
		"another method": {Method: http.MethodDelete, Path: "/v1/drain"},
		"another path":   {Method: http.MethodGet, Path: "/metrics"},
		"a long path":    {Method: http.MethodGet, Path: "/v1/" + strings.Repeat("x", 5000)},
		"a broken path":  {Method: http.MethodGet, Path: "/v1/\n"},
	} {
		if _, err := c.Relay(t.Context(), endpoint, hostB, r); err == nil {
			t.Errorf("%s is relayed", name)
		}
	}
	_, deaf := serve(t, peer.ServerOptions{Insecure: true})
	_, err := c.Relay(t.Context(), deaf, hostB, peer.RelayRequest{Method: http.MethodGet, Path: "/v1/status"})
	var told *peer.Error
	if !errors.As(err, &told) || told.Code != peer.RefusedCall.String() {
		t.Errorf("a host that relays nothing answers %v, want %s", err, peer.RefusedCall)
	}
}
