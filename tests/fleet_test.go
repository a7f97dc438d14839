package tests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// fleet is several daemons in one process and in virtual time: real balancers,
// real memberlist over a network in memory, simulated hypervisors. It lives
// inside a synctest bubble.
type fleet struct {
	t       *testing.T
	world   *fake.World
	network *gossiptest.Network
	hosts   map[policy.HostID]*host
	tuning  balancer.Tuning
	dir     string

	mu  sync.Mutex
	cut map[policy.HostID]int // the side of a partition that a host is on
}

// host is one hypervisor and, while it runs, its daemon.
type host struct {
	fleet *fleet
	name  string
	id    policy.HostID
	addr  netip.AddrPort

	mu       sync.Mutex
	balancer *balancer.Balancer // nil while the daemon is down
	stop     context.CancelFunc
	done     chan struct{}

	decisions observer
	// asked counts the reports that its daemon has asked others for.
	asked atomic.Int64
}

// inFleet runs a test against a fleet on the given world, in virtual time, and
// afterwards checks what must hold in any test: no domain ran twice or nowhere,
// no host took more in at once than it may, and every goroutine ends.
func inFleet(t *testing.T, spec fake.Spec, test func(f *fleet)) {
	t.Helper()
	inTunedFleet(t, spec, func(*policy.Config) {}, test)
}

// inTunedFleet is inFleet with a policy that differs from the default.
func inTunedFleet(t *testing.T, spec fake.Spec, tune func(*policy.Config), test func(f *fleet)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		world, err := fake.NewLive(spec)
		if err != nil {
			t.Fatal(err)
		}
		f := &fleet{
			t: t, world: world, network: gossiptest.NewNetwork(1), dir: dir,
			hosts: map[policy.HostID]*host{}, cut: map[policy.HostID]int{},
			tuning: balancer.Tuning{
				Policy: policy.DefaultConfig(), Mode: policy.AutoMode,
				Interval: 20 * time.Second, TimeConstant: 40 * time.Second, ReserveTTL: 30 * time.Second,
			},
		}
		tune(&f.tuning.Policy)
		for i, name := range world.HostNames() {
			h := &host{fleet: f, name: name, id: fake.HostID(name), addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 17450)}
			f.hosts[h.id] = h
			h.start()
		}
		test(f)
		for _, h := range f.hosts {
			h.kill()
		}
		for _, v := range world.Violations() {
			t.Errorf("violation: %s", v)
		}
		for _, name := range world.HostNames() {
			if in, out := world.Peak(name); in > f.tuning.Policy.MaxInbound || out > f.tuning.Policy.MaxOutbound {
				t.Errorf("%s had %d migrations in and %d out at once", name, in, out)
			}
		}
		time.Sleep(gossiptest.Linger)
	})
}

// host finds a host by its name.
func (f *fleet) host(name string) *host { return f.hosts[fake.HostID(name)] }

// partition cuts the network, gossip and peer RPC alike, between the named
// hosts and all the others.
func (f *fleet) partition(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var side []netip.AddrPort
	for _, name := range names {
		f.cut[fake.HostID(name)] = 1
		side = append(side, f.host(name).addr)
	}
	f.network.Partition(side)
}

func (f *fleet) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.cut)
	f.network.Heal()
}

func (f *fleet) reachable(a, b policy.HostID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut[a] == f.cut[b]
}

// migrations counts the migrations that have ended.
func (f *fleet) migrations() int { return len(f.world.Migrations()) }

// eventually advances time until the condition holds.
func (f *fleet) eventually(limit time.Duration, what string, condition func() bool) time.Duration {
	f.t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > limit {
			f.t.Fatalf("not within %s: %s\n%s", limit, what, f.world.Report())
		}
		time.Sleep(time.Second)
	}
	return time.Since(began)
}

// start starts the daemon of the host, with whatever its state directory holds.
func (h *host) start() {
	t, f := h.fleet.t, h.fleet
	hypervisor, err := f.world.Hypervisor(h.name)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := hypervisor.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	facts.Endpoint = policy.Endpoint{Peer: h.addr.Addr().String() + ":17451", Migration: h.name}
	node, err := f.network.Listen(h.addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(f.dir, h.name)
	g, err := gossip.New(gossip.Options{
		Self: facts, Listen: h.addr, Label: "test", Insecure: true, Transport: node,
		Join: []string{"10.0.0.1:17450", "10.0.0.2:17450"},
	})
	if err != nil {
		t.Fatal(err)
	}
	journal, err := balancer.OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids := 0
	began := time.Now().UnixNano()
	b, err := balancer.New(balancer.Options{
		Version: "test", Facts: facts, Hypervisor: hypervisor, Cluster: g, Peers: wire{h}, Neighbours: wire{h},
		Journal: journal, StateDir: dir, Tuning: f.tuning,
		Transfer: balancer.TransferOptions{URI: "{host}", DeadlineFactor: 3, DeadlineMin: time.Minute},
		Observer: &h.decisions, Log: slog.New(slog.NewTextHandler(testLog{t, h.name}, &slog.HandlerOptions{Level: slog.LevelWarn})),
		NewID: func() policy.OpID {
			ids++
			return policy.OpID(fmt.Sprintf("%s-%d-%d", h.name, began, ids))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	h.mu.Lock()
	h.balancer, h.stop, h.done = b, stop, done
	h.mu.Unlock()
	var running sync.WaitGroup
	running.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Errorf("%s: gossip: %v", h.name, err)
		}
	})
	running.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Errorf("%s: balancer: %v", h.name, err)
		}
	})
	go func() {
		running.Wait()
		journal.Close()
		close(done)
	}()
}

// kill ends the daemon wherever it is: nothing is finished, nobody is told.
// Migrations go on, as libvirt's do.
func (h *host) kill() {
	h.mu.Lock()
	stop, done := h.stop, h.done
	h.balancer, h.stop = nil, nil
	h.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

func (h *host) daemon() *balancer.Balancer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.balancer
}

// self is the host as its own daemon sees it.
func (h *host) self() policy.Host {
	status, err := h.daemon().Status(h.fleet.t.Context())
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	return policy.Host{HostFacts: status.Host, HostState: status.State}
}

// wire is the peer RPC without the network: it fails where a partition or a
// dead daemon would make it fail.
type wire struct{ from *host }

var errUnreachable = errors.New("connection timed out")

func (w wire) to(id policy.HostID) (*balancer.Balancer, error) {
	f := w.from.fleet
	target := f.hosts[id]
	if target == nil || !f.reachable(w.from.id, id) || target.daemon() == nil {
		return nil, errUnreachable
	}
	time.Sleep(5 * time.Millisecond)
	return target.daemon(), nil
}

func (w wire) Reserve(ctx context.Context, _ policy.Endpoint, r peer.ReserveRequest) (peer.ReserveReply, error) {
	b, err := w.to(r.Move.To)
	if err != nil {
		return peer.ReserveReply{}, err
	}
	return b.Reserve(ctx, w.from.id, r), nil
}

func (w wire) Renew(ctx context.Context, _ policy.Endpoint, target policy.HostID, op policy.OpID) error {
	b, err := w.to(target)
	if err != nil {
		return err
	}
	_, err = b.Renew(ctx, w.from.id, op)
	return err
}

func (w wire) Finish(ctx context.Context, _ policy.Endpoint, target policy.HostID, r peer.FinishRequest) error {
	b, err := w.to(target)
	if err != nil {
		return err
	}
	return b.Finish(ctx, w.from.id, r)
}

func (w wire) Audit(ctx context.Context, _ policy.Endpoint, r peer.AuditRequest) (policy.Audit, error) {
	b, err := w.to(r.Move.To)
	if err != nil {
		return policy.Audit{}, err
	}
	return b.Audit(ctx, w.from.id, r)
}

func (w wire) Locate(ctx context.Context, _ policy.Endpoint, target policy.HostID, r peer.LocateRequest) (policy.Presence, error) {
	b, err := w.to(target)
	if err != nil {
		return policy.Presence{}, err
	}
	return b.Locate(ctx, w.from.id, r)
}

// observer keeps what a daemon decided.
type observer struct {
	mu    sync.Mutex
	last  policy.Decision
	holds []policy.Reason
	asked []policy.Reason
	ended []operation.Operation

	stuck atomic.Pointer[chan struct{}]
}

// block has the control loop hang, until what is returned is called.
func (o *observer) block() (release func()) {
	gate := make(chan struct{})
	o.stuck.Store(&gate)
	return func() {
		o.stuck.Store(nil)
		close(gate)
	}
}

// JournalOpen is called at each turn of the control loop.
func (o *observer) JournalOpen(int) {
	if gate := o.stuck.Load(); gate != nil {
		<-*gate
	}
}

func (o *observer) Decided(d policy.Decision) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = d
	if !slices.Contains(o.holds, d.Hold) {
		o.holds = append(o.holds, d.Hold)
	}
}

func (o *observer) Asked(why policy.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, why)
}

func (o *observer) Advanced(op operation.Operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if op.Phase.Closed() {
		o.ended = append(o.ended, op)
	}
}

func (o *observer) Sampled(time.Duration, error, policy.Host, policy.Marks, []policy.Domain) {}
func (o *observer) Promised(policy.Ledger)                                                   {}
func (o *observer) Fleet([]policy.Host, time.Time, time.Duration)                            {}
func (o *observer) Room(policy.Headroom)                                                     {}
func (o *observer) Shadowed(policy.Disagreement)                                             {}
func (o *observer) Audited(policy.Horizon, policy.Effect)                                    {}
func (o *observer) Progress(policy.Progress)                                                 {}
func (o *observer) JournalWritten(error)                                                     {}

func (o *observer) decision() policy.Decision {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

func (o *observer) held(why policy.Reason) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.holds, why)
}

func (o *observer) operations() []operation.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.ended)
}

// testLog writes a daemon's log to the test's.
type testLog struct {
	t    *testing.T
	host string
}

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s: %s", l.host, strings.TrimSpace(string(line)))
	return len(line), nil
}
