package peer_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

var _ balancer.Peers = (*peer.Client)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	hostA  policy.HostID   = "aaaaaaaa-0000-4000-8000-000000000001"
	hostB  policy.HostID   = "bbbbbbbb-0000-4000-8000-000000000002"
	hostC  policy.HostID   = "cccccccc-0000-4000-8000-000000000003"
	domain policy.DomainID = "dddddddd-0000-4000-8000-000000000004"
	op     policy.OpID     = "eeeeeeee-0000-4000-8000-000000000005"
)

// host answers as a target would; each answer can be replaced.
type host struct {
	reserve func(context.Context, policy.HostID, peer.ReserveRequest) peer.ReserveReply
	renew   func(policy.HostID, policy.OpID) (bool, error)
	finish  func(policy.HostID, peer.FinishRequest) error
	locate  func(policy.HostID, peer.LocateRequest) (policy.Presence, error)
	report  func(peer.ReportRequest) (api.Report, error)
	explain func(policy.DomainID) (api.Explanation, error)
	audit   func(policy.HostID, peer.AuditRequest) (policy.Audit, error)
}

func (h *host) Reserve(ctx context.Context, from policy.HostID, r peer.ReserveRequest) peer.ReserveReply {
	if h.reserve != nil {
		return h.reserve(ctx, from, r)
	}
	return granted()
}

func (h *host) Renew(_ context.Context, from policy.HostID, op policy.OpID) (bool, error) {
	if h.renew != nil {
		return h.renew(from, op)
	}
	return true, nil
}

func (h *host) Finish(_ context.Context, from policy.HostID, f peer.FinishRequest) error {
	if h.finish != nil {
		return h.finish(from, f)
	}
	return nil
}

func (h *host) Locate(_ context.Context, from policy.HostID, r peer.LocateRequest) (policy.Presence, error) {
	if h.locate != nil {
		return h.locate(from, r)
	}
	return policy.Presence{Known: true, Active: true, State: policy.StateRunning}, nil
}

func (h *host) Audit(_ context.Context, from policy.HostID, r peer.AuditRequest) (policy.Audit, error) {
	if h.audit != nil {
		return h.audit(from, r)
	}
	return policy.Audit{Reason: policy.MovedOn}, nil
}

func (h *host) Report(_ context.Context, r peer.ReportRequest) (api.Report, error) {
	if h.report != nil {
		return h.report(r)
	}
	return report(), nil
}

func (h *host) Preflight(_ context.Context, d hypervisor.Description) (policy.Reason, string) {
	return policy.CPUIncompatible, "checked " + d.Name + "\nhere"
}

func (h *host) ExplainHere(_ context.Context, id policy.DomainID) (api.Explanation, error) {
	if h.explain != nil {
		return h.explain(id)
	}
	return api.Explanation{Domain: policy.Domain{ID: id, Name: "web"}}, nil
}

// report is what host B tells of itself.
func report() api.Report {
	return api.Report{
		Status: api.Status{
			Version: "1", Host: granted().Host.HostFacts, State: granted().Host.HostState,
			Hold: policy.NotOverloaded, HoldText: policy.NotOverloaded.Text(), Operations: []api.Operation{},
			Shortage: &policy.Shortage{
				Domain: domain, Name: "web", Size: policy.Load{CPU: 1500, Memory: policy.GiB},
				Binding: policy.HostOverReceive, Tally: []policy.Count{{Reason: policy.HostOverReceive, Count: 2}},
			},
		},
		Domains: []api.Domain{{
			Domain: policy.Domain{ID: domain, Name: "web", VCPUs: 2, Demand: policy.Load{CPU: 1500, Memory: policy.GiB}, MemoryMax: policy.GiB, Known: true},
			Stays:  policy.NotNeeded, StaysText: policy.NotNeeded.Text(),
		}},
		History: []api.Operation{{ID: op, Phase: "closed", Move: reservation().Move, Opened: time.Unix(1, 0).UTC(), Result: policy.Succeeded}},
	}
}

func granted() peer.ReserveReply {
	return peer.ReserveReply{Host: policy.Host{
		HostFacts: policy.HostFacts{ID: hostB, Name: "b", Capacity: policy.Load{CPU: 8000, Memory: 64 * policy.GiB}},
		HostState: policy.HostState{Used: policy.Load{CPU: 1000, Memory: policy.GiB}, Band: policy.BandLow},
		Received:  time.Unix(1, 0),
	}}
}

func reservation() peer.ReserveRequest {
	return peer.ReserveRequest{
		Op: op,
		Move: policy.Move{
			Domain: domain, Name: "web", From: hostA, To: hostB, Why: policy.Overload,
			Load: policy.Load{CPU: 1500, Memory: policy.GiB}, MemoryMax: 2 * policy.GiB, VCPUs: 2,
			FromBefore: 0.9, FromAfter: 0.7, ToBefore: 0.2, ToAfter: 0.4, Duration: time.Minute,
		},
		Description: hypervisor.Description{
			Domain: domain, Name: "web", XML: "<domain/>\n", Persistent: true, VCPUs: 2, MemoryMax: 2 * policy.GiB,
			Source: policy.HostFacts{ID: hostA, Name: "a"},
		},
		Handoff: hypervisor.Handoff{Autostart: true, History: policy.MoveHistory{From: hostC, Count: 2}},
	}
}

func finish() peer.FinishRequest {
	return peer.FinishRequest{
		Op: op, Move: reservation().Move, Result: policy.Succeeded,
		Handoff: hypervisor.Handoff{Autostart: true, History: policy.MoveHistory{Last: time.Now().UTC(), From: hostA, Count: 1}},
	}
}

// loopback is what gossip would tell of every host of these tests.
func loopback(policy.HostID) ([]string, bool) { return []string{"127.0.0.1"}, true }

// serve runs host B until the test ends.
func serve(t testing.TB, o peer.ServerOptions) (*peer.Server, policy.Endpoint) {
	t.Helper()
	if o.Self == "" {
		o.Self = hostB
	}
	if o.Handler == nil {
		o.Handler = &host{}
	}
	if o.Identify == nil {
		o.Identify = peer.IdentifyByName(loopback)
	}
	if o.Listener == nil {
		o.Address = "127.0.0.1:0"
	}
	s, err := peer.NewServer(o)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return s, policy.Endpoint{Peer: s.Addr().String()}
}

// client asks as host A until the test ends.
func client(t testing.TB, o peer.ClientOptions) *peer.Client {
	t.Helper()
	if o.Self == "" {
		o.Self = hostA
	}
	c, err := peer.NewClient(o)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func certificates(t testing.TB, f peer.Files) *peer.Certificates {
	t.Helper()
	c, err := peer.NewCertificates(peer.CertificateOptions{Files: f})
	must(t, err)
	return c
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}

// logged is a logger and what it has written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
