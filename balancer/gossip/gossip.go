package gossip

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/policy"
)

// Gossip is this host's part in the cluster. All its methods may be called at
// any time and from several goroutines.
type Gossip struct {
	opts Options
	log  *slog.Logger

	complaints *complaints
	events     chan event
	transport  *transport
	advertise  netip.AddrPort
	keyring    *memberlist.Keyring // nil when gossip is not encrypted
	rekeying   sync.Mutex

	table  *table
	outbox outbox
	queue  queue
	count  counters
	pace   pace

	meta       atomic.Pointer[[]byte]
	size       atomic.Int64 // members, this host included
	conflictAt atomic.Pointer[time.Time]
	list       atomic.Pointer[memberlist.Memberlist]

	facts     sync.Mutex // guards opts.Self
	published chan struct{}
	changed   chan struct{}
	forged    chan struct{}
	ran       atomic.Bool
}

// New checks the options and takes the port. The network is silent until Run.
// Whoever calls New must call Run, if only with a context that has ended, to
// give the port back.
func New(o Options) (*Gossip, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &Gossip{
		opts: o, log: o.Logger.With("component", "gossip"),
		events:    make(chan event, eventsMax),
		table:     newTable(o.Self.ID, o.MaxHosts, o.Expiry),
		published: make(chan struct{}, 1), changed: make(chan struct{}, 1), forged: make(chan struct{}, 1),
	}
	g.complaints = newComplaints(g.log, &g.count)
	g.size.Store(1)
	g.pace.hosts.Store(1)
	g.pace.every.Store(int64(o.Interval))
	g.outbox.epoch = newEpoch()
	encoded, err := encodeMeta(o.Self, g.outbox.epoch)
	if err != nil {
		return nil, err
	}
	g.meta.Store(&encoded)

	if len(o.Keys) > 0 {
		g.keyring, err = memberlist.NewKeyring(o.Keys, o.Keys[0])
		if err != nil {
			return nil, fmt.Errorf("gossip.key_file: %w", err)
		}
	} else {
		g.log.Warn("gossip is not encrypted: whoever reaches the port can take part", "listen", o.Listen.String())
	}
	if o.PeersFile != "" {
		if err := g.table.loadPeers(o.PeersFile, time.Now()); err != nil {
			g.log.Warn("known hosts lost: they will be found again through the join list", "err", err)
		}
	}
	g.transport, err = newTransport(o, g.keyring, g.complaints, g.log)
	if err != nil {
		return nil, err
	}
	g.advertise, err = advertised(o, g.transport.port)
	if err != nil {
		return nil, errors.Join(err, g.transport.Shutdown())
	}
	return g, nil
}

// newEpoch names this life of the daemon. It is random rather than taken from
// the clock, so that a clock that was set back makes no host look old.
func newEpoch() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return binary.BigEndian.Uint32(b[:])
}

// config is memberlist's LAN profile with what was measured to serve a fleet
// of hypervisors better.
func (g *Gossip) config() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = string(g.table.self)
	c.Label = g.opts.Label
	c.Transport = g.transport
	c.BindAddr, c.BindPort = g.opts.Listen.Addr().String(), int(g.transport.port)
	c.AdvertiseAddr, c.AdvertisePort = g.advertise.Addr().String(), int(g.advertise.Port())
	if g.keyring != nil {
		c.Keyring = g.keyring
	}
	d := delegate{g}
	c.Delegate, c.Events, c.Alive, c.Conflict, c.Ping = d, d, d, d, d
	c.DelegateProtocolVersion, c.DelegateProtocolMin, c.DelegateProtocolMax = delegateProtocol, delegateProtocol, delegateProtocol
	c.Logger = g.memberlistLog()

	// Digests do not compress, and trying doubles the CPU time.
	c.EnableCompression = false
	// An overloaded host, our very business, answers late: give it half as long
	// again before it is called dead.
	c.SuspicionMult = 6
	// Each host passes the news of a join or a leave on RetransmitMult ×
	// ceil(log10(n+1)) times. With memberlist's 4, every fiftieth host of a fleet
	// below ten misses it until the next push/pull (see sends).
	c.RetransmitMult = 6
	// A host that died may come back under another address after this time;
	// memberlist's default is never.
	c.DeadNodeReclaimTime = 60 * time.Second
	c.PushPullInterval = 30 * time.Second
	return c
}

func (g *Gossip) memberlistLog() *log.Logger {
	return log.New(&logSink{log: g.log, complaints: g.complaints}, "", 0)
}

// Run takes part in the gossip until ctx ends; then it takes leave of the
// others, gives the port back and returns nil. It may be called once.
func (g *Gossip) Run(ctx context.Context) error {
	if g.ran.Swap(true) {
		return errors.New("gossip: Run called twice")
	}
	list, err := memberlist.Create(g.config())
	if err != nil {
		return errors.Join(fmt.Errorf("start gossip: %w", err), g.transport.Shutdown())
	}
	g.list.Store(list)
	g.log.Info("gossip started", "listen", g.opts.Listen.String(), "advertise", g.advertise.String(),
		"cluster", g.opts.Label, "encrypted", g.keyring != nil)

	var running sync.WaitGroup
	running.Go(func() { g.flooding(ctx) })
	running.Go(func() { g.announcing(ctx) })
	running.Go(func() { g.maintaining(ctx, list) })
	<-ctx.Done()

	g.farewell(list)
	err = list.Shutdown() // ends the exchanges that maintaining may wait for
	running.Wait()
	g.save()
	if err != nil {
		return fmt.Errorf("stop gossip: %w", err)
	}
	return nil
}

// farewell tells the others that this host goes on purpose: it is then neither
// missed nor looked for. memberlist's own leave message does not say so to its
// delegates.
func (g *Gossip) farewell(list *memberlist.Memberlist) {
	const (
		patience = 3 * time.Second        // a leave takes less than one, unless everybody leaves at once
		ahead    = 600 * time.Millisecond // three rounds of gossip: the goodbye must overtake the leave
		direct   = 64                     // told directly; the flood reaches nearly all of the rest
	)
	if g.size.Load() > 1 {
		g.outbox.mu.Lock()
		g.outbox.goodbye = true
		g.outbox.mu.Unlock()
		goodbye := g.send().append(appendBatchHeader(nil), time.Now())
		told := 0
		for addr := range g.table.addresses() {
			if told++; told > direct {
				break
			}
			if err := list.SendToAddress(memberlist.Address{Addr: addr.String()}, goodbye); err != nil {
				g.log.Debug("goodbye not sent", "addr", addr.String(), "err", err)
			}
		}
		time.Sleep(ahead)
	}
	if err := list.Leave(patience); err != nil && g.size.Load() > 1 {
		g.log.Warn("left without telling the others: they will take this host for dead", "err", err)
	}
}

// Publish hands over this host's newest state. It does not block.
func (g *Gossip) Publish(s policy.HostState) {
	g.outbox.put(s, time.Now())
	wake(g.published)
}

// SetFacts tells the others that this host has changed. The ID cannot.
func (g *Gossip) SetFacts(f policy.HostFacts) error {
	f.ID = g.table.self
	g.facts.Lock()
	defer g.facts.Unlock()
	if err := g.setMeta(f, g.outbox.currentEpoch()); err != nil {
		return err
	}
	wake(g.changed)
	return nil
}

// setMeta takes over facts; g.facts is held.
func (g *Gossip) setMeta(f policy.HostFacts, epoch uint32) error {
	encoded, err := encodeMeta(f, epoch)
	if err != nil {
		return err
	}
	g.opts.Self = f
	g.meta.Store(&encoded)
	return nil
}

// Hosts returns every other host that is a member now, with its newest state.
// Received is when that state was true by this host's clock: its arrival, less
// the time for which it is known to have waited on its way. Hosts whose state
// has not arrived are left out, and so are those that have never answered this
// one and of which nobody tells any more.
func (g *Gossip) Hosts() []policy.Host { return g.table.hosts(time.Now(), hearsay(g.every())) }

// Known counts the hosts of the last day (Options.Expiry), this one included and
// those that took their leave excluded. A host that has never answered this one
// counts for ten minutes after somebody told of it.
func (g *Gossip) Known() int { return g.table.known(time.Now()) }

// Missing returns the hosts that Known counts, and that are no members or have
// told nothing since they are, by name.
func (g *Gossip) Missing() []policy.MissingHost { return g.table.missing(time.Now()) }

// Endpoint returns how a host is reached that is, or within Options.Expiry was,
// a member.
func (g *Gossip) Endpoint(id policy.HostID) (policy.Endpoint, bool) { return g.table.endpoint(id) }

// Conflict reports whether another host has claimed this host's ID in the last
// five minutes: a cloned machine, or this host before its old address has been
// given up. Nothing should be moved meanwhile.
func (g *Gossip) Conflict() bool {
	const memory = 5 * time.Minute // several push/pull exchanges, which repeat the claim
	at := g.conflictAt.Load()
	return at != nil && time.Since(*at) < memory
}

// Addr returns the address that the others are told.
func (g *Gossip) Addr() netip.AddrPort { return g.advertise }

// Stats returns the counters.
func (g *Gossip) Stats() Stats {
	s := g.count.snapshot()
	s.Members, s.Known = g.table.size(), g.Known()
	s.Interval = g.every()
	s.Queued = g.queue.len()
	if list := g.list.Load(); list != nil {
		s.Health = list.GetHealthScore()
	}
	return s
}

// wake makes the receiver of ch look once more.
func wake(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
