package peer_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// Every call arrives as it was made, and so does every answer, with TLS and in
// clear text.
func TestCallsArriveAsTheyWereMade(t *testing.T) {
	ca := newAuthority(t)
	for name, secure := range map[string]bool{"mutual TLS": true, "clear text": false} {
		t.Run(name, func(t *testing.T) {
			var got []any
			h := &host{
				reserve: func(_ context.Context, from policy.HostID, r peer.ReserveRequest) peer.ReserveReply {
					got = append(got, from, r)
					return granted()
				},
				renew: func(from policy.HostID, op policy.OpID) (bool, error) {
					got = append(got, from, op)
					return true, nil
				},
				finish: func(from policy.HostID, f peer.FinishRequest) error {
					got = append(got, from, f)
					return nil
				},
				locate: func(from policy.HostID, r peer.LocateRequest) (policy.Presence, error) {
					got = append(got, from, r)
					return policy.Presence{Known: true, Defined: true, State: policy.StatePaused, Job: policy.MigratingOut, MigratedAway: true}, nil
				},
			}
			server, asker := peer.ServerOptions{Handler: h, Insecure: true}, peer.ClientOptions{Insecure: true}
			if secure {
				server, asker = peer.ServerOptions{Handler: h, Certificates: certificates(t, ca.files(nil))}, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))}
			}
			_, endpoint := serve(t, server)
			c := client(t, asker)

			started := time.Now()
			reply, err := c.Reserve(t.Context(), endpoint, reservation())
			must(t, err)
			if reply.Reason != policy.OK || reply.Host.Used != granted().Host.Used {
				t.Errorf("reply %+v, want the grant", reply)
			}
			if reply.Host.Received.Before(started) {
				t.Errorf("the host was received at %v: that is the sender's clock", reply.Host.Received)
			}
			must(t, c.Renew(t.Context(), endpoint, hostB, op))
			done := finish()
			must(t, c.Finish(t.Context(), endpoint, hostB, done))
			where := peer.LocateRequest{Domain: domain, Alarm: &peer.Alarm{Op: op, Name: "vm1", Reason: policy.Duplicated}}
			presence, err := c.Locate(t.Context(), endpoint, hostB, where)
			must(t, err)
			if want := (policy.Presence{Known: true, Defined: true, State: policy.StatePaused, Job: policy.MigratingOut, MigratedAway: true}); presence != want {
				t.Errorf("presence %+v, want %+v", presence, want)
			}
			want := []any{hostA, reservation(), hostA, op, hostA, done, hostA, where}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("the target heard\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// A refusal is an answer, not an error, and keeps its reason and detail; a
// detail from libvirt is made fit for one line.
func TestARefusalIsAnAnswer(t *testing.T) {
	h := &host{reserve: func(context.Context, policy.HostID, peer.ReserveRequest) peer.ReserveReply {
		return peer.ReserveReply{Reason: policy.HostMemory, Detail: "2 GiB wanted\n\x1b[31m1 GiB left" + strings.Repeat(".", 5000)}
	}}
	_, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true})
	reply, err := client(t, peer.ClientOptions{Insecure: true}).Reserve(t.Context(), endpoint, reservation())
	must(t, err)
	if reply.Reason != policy.HostMemory || !strings.HasPrefix(reply.Detail, "2 GiB wanted  [31m1 GiB left...") || len(reply.Detail) > 1000 {
		t.Errorf("got %v, detail %q", reply.Reason, reply.Detail)
	}
}

// What the target could not do is an error that says why; what it does not
// know is an error of its own.
func TestFailuresOfTheTargetAreErrors(t *testing.T) {
	h := &host{
		renew:  func(policy.HostID, policy.OpID) (bool, error) { return false, nil },
		finish: func(policy.HostID, peer.FinishRequest) error { return errors.New("disk full") },
		locate: func(policy.HostID, peer.LocateRequest) (policy.Presence, error) {
			return policy.Presence{Active: true}, errors.New("libvirt is down")
		},
	}
	_, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true})
	c := client(t, peer.ClientOptions{Insecure: true})

	if err := c.Renew(t.Context(), endpoint, hostB, op); !errors.Is(err, peer.ErrUnknownOperation) {
		t.Errorf("renew: %v, want %v", err, peer.ErrUnknownOperation)
	}
	err := c.Finish(t.Context(), endpoint, hostB, finish())
	if err == nil || !strings.Contains(err.Error(), "disk full") || errors.Is(err, peer.ErrUnknownOperation) {
		t.Errorf("finish: %v, want the disk", err)
	}
	presence, err := c.Locate(t.Context(), endpoint, hostB, peer.LocateRequest{Domain: domain})
	if err == nil || !strings.Contains(err.Error(), "libvirt is down") || presence != (policy.Presence{}) {
		t.Errorf("locate: %+v, %v, want nothing known and why", presence, err)
	}
	if peer.ReasonOf(err) != policy.Unreachable {
		t.Errorf("reason %v, want unreachable", peer.ReasonOf(err))
	}
}

// An answer of another host, or one with a lie in it, is no answer.
func TestAnswersAreCheckedToo(t *testing.T) {
	answers := map[string]func(*peer.ReserveReply){
		"of another host": func(r *peer.ReserveReply) { r.Host.ID = hostC },
		"of nobody":       func(r *peer.ReserveReply) { r.Host.ID = "" },
		"negative load":   func(r *peer.ReserveReply) { r.Host.Used.CPU = -1 },
		"absurd capacity": func(r *peer.ReserveReply) { r.Host.Capacity.Memory = 1 << 60 },
		"absurd count":    func(r *peer.ReserveReply) { r.Host.Inbound = 1_000_000_000 },
		"escape sequence": func(r *peer.ReserveReply) { r.Host.Name = "\x1b[2J" },
	}
	for name, lie := range answers {
		t.Run(name, func(t *testing.T) {
			h := &host{reserve: func(context.Context, policy.HostID, peer.ReserveRequest) peer.ReserveReply {
				r := granted()
				lie(&r)
				return r
			}}
			_, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true})
			reply, err := client(t, peer.ClientOptions{Insecure: true}).Reserve(t.Context(), endpoint, reservation())
			if err == nil {
				t.Errorf("accepted %+v", reply)
			}
		})
	}
}

// When the asker gives up, so does the target's work for it.
func TestCancellationReachesTheTarget(t *testing.T) {
	asked, cancelled := make(chan struct{}), make(chan struct{})
	h := &host{reserve: func(ctx context.Context, _ policy.HostID, _ peer.ReserveRequest) peer.ReserveReply {
		close(asked)
		<-ctx.Done()
		close(cancelled)
		return peer.ReserveReply{Reason: policy.PreflightFailed}
	}}
	_, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := client(t, peer.ClientOptions{Insecure: true}).Reserve(ctx, endpoint, reservation())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	<-cancelled
}

// A host that is not there is an error within the time given.
func TestNobodyThere(t *testing.T) {
	s, err := peer.NewServer(peer.ServerOptions{Self: hostB, Address: "127.0.0.1:0", Insecure: true, Handler: &host{}})
	must(t, err)
	endpoint := policy.Endpoint{Peer: s.Addr().String()}
	must(t, s.Close())
	_, err = client(t, peer.ClientOptions{Insecure: true}).Reserve(t.Context(), endpoint, reservation())
	if err == nil || peer.ReasonOf(err) != policy.Unreachable {
		t.Errorf("got %v, want unreachable", err)
	}
}

// A port in use is an error before anything runs.
func TestPortInUse(t *testing.T) {
	s, _ := serve(t, peer.ServerOptions{Insecure: true})
	_, err := peer.NewServer(peer.ServerOptions{Self: hostB, Address: s.Addr().String(), Insecure: true, Handler: &host{}})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

// Without certificates nothing runs unless the options say so in so many words.
func TestCertificatesAreRequired(t *testing.T) {
	if _, err := peer.NewServer(peer.ServerOptions{Self: hostB, Address: "127.0.0.1:0", Handler: &host{}}); err == nil {
		t.Error("a server without certificates was made")
	}
	if _, err := peer.NewClient(peer.ClientOptions{Self: hostA}); err == nil {
		t.Error("a client without certificates was made")
	}
}

// The client asks only what it may and whom it can.
func TestTheClientRefusesItself(t *testing.T) {
	c := client(t, peer.ClientOptions{Insecure: true})
	for _, address := range []string{"", "b", "b:0", "b:70000", ":1", "u@b:1", "b/x:1", "b:1/x", "b:1?x", strings.Repeat("b", 300) + ":1"} {
		err := c.Renew(t.Context(), policy.Endpoint{Peer: address}, hostB, op)
		if err == nil || !strings.Contains(err.Error(), "endpoint") {
			t.Errorf("endpoint %q: %v", address, err)
		}
	}
	endpoint := policy.Endpoint{Peer: "127.0.0.1:1"}
	r := reservation()
	r.Move.From, r.Description.Source.ID = hostC, hostC
	if _, err := c.Reserve(t.Context(), endpoint, r); err == nil || !strings.Contains(err.Error(), "this host") {
		t.Errorf("asked in the name of another host: %v", err)
	}
	if err := c.Finish(t.Context(), endpoint, hostC, finish()); err == nil || !strings.Contains(err.Error(), "the host asked") {
		t.Errorf("told one host of another's move: %v", err)
	}
}
