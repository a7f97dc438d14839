package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/virtbalance/virtbalance/balancer/access"
	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/hypervisor/libvirt"
	"github.com/virtbalance/virtbalance/metrics"
	"github.com/virtbalance/virtbalance/policy"
)

// observer turns what happens in the balancer into metrics.
type observer struct {
	registry *prometheus.Registry

	sampling     *metrics.Sampling
	host         *metrics.Host
	domains      *metrics.Domains // nil: left out
	decisions    *metrics.Decisions
	reservations *metrics.Reservations
	fleet        *metrics.Fleet
	moves        *metrics.Moves
	journal      *metrics.Journal

	self policy.HostID

	// What the listeners for people and Prometheus turn away.
	socket, page, scrapes access.Refusals
}

// newObserver registers all metrics that need nothing but the process.
func newObserver(withDomains bool) *observer {
	r := metrics.NewRegistry()
	metrics.NewBuildInfo(r, version)
	o := &observer{
		registry: r,
		sampling: metrics.NewSampling(r), host: metrics.NewHost(r),
		decisions: metrics.NewDecisions(r), reservations: metrics.NewReservations(r),
		fleet: metrics.NewFleet(r), moves: metrics.NewMoves(r), journal: metrics.NewJournal(r),
	}
	metrics.NewAccess(r, func() metrics.AccessFigures {
		return metrics.AccessFigures{"socket": o.socket.Counts(), "page": o.page.Counts(), "metrics": o.scrapes.Counts()}
	})
	if withDomains {
		o.domains = metrics.NewDomains(r)
	}
	return o
}

// Sampled implements balancer.Observer.
func (o *observer) Sampled(took time.Duration, err error, host policy.Host, marks policy.Marks, domains []policy.Domain) {
	o.self = host.ID
	o.sampling.Observe(took, err, host.Received)
	o.host.Observe(host, marks)
	if o.domains != nil {
		o.domains.Observe(domains)
	}
}

// Decided implements balancer.Observer.
func (o *observer) Decided(d policy.Decision) { o.decisions.Observe(d) }

// Shadowed implements balancer.Observer.
func (o *observer) Shadowed(how policy.Disagreement) { o.decisions.Shadowed(how) }

// Asked implements balancer.Observer.
func (o *observer) Asked(why policy.Reason) { o.reservations.Answered(why) }

// Promised implements balancer.Observer.
func (o *observer) Promised(l policy.Ledger) { o.reservations.Observe(l, o.self) }

// Fleet implements balancer.Observer.
func (o *observer) Fleet(hosts []policy.Host, now time.Time, staleAfter time.Duration) {
	o.fleet.Observe(hosts, now, staleAfter)
}

// Room implements balancer.Observer.
func (o *observer) Room(r policy.Headroom) { o.fleet.Room(r) }

// Progress implements balancer.Observer.
func (o *observer) Progress(p policy.Progress) { o.moves.Progress(p) }

// Advanced implements balancer.Observer.
func (o *observer) Advanced(op operation.Operation) {
	switch {
	case op.Phase.Closed():
		o.moves.Ended(op.ID, op.Move, op.Outcome, op.Changed)
		if op.Outcome.Result == policy.Succeeded && op.Handoff.History.Count > 1 {
			o.moves.Repeated()
		}
	default:
		if op.Phase == operation.Started {
			o.moves.Begun(op.Move)
		}
		o.moves.Phase(op.ID, op.Phase.String())
	}
}

// Audited implements balancer.Observer.
func (o *observer) Audited(h policy.Horizon, e policy.Effect) { o.moves.Audited(h, e) }

// JournalWritten implements balancer.Observer.
func (o *observer) JournalWritten(err error) { o.journal.Written(err) }

// JournalOpen implements balancer.Observer.
func (o *observer) JournalOpen(n int) { o.journal.Open(n) }

// watchLibvirt adds the metrics of the connection to libvirt.
func (o *observer) watchLibvirt(h *libvirt.Hypervisor) {
	metrics.NewLibvirt(o.registry, func() metrics.LibvirtFigures {
		s := h.Status()
		return metrics.LibvirtFigures{
			Connected: s.Connected, Reconnects: s.Reconnects,
			HungCalls: s.HungCalls, OverdueCalls: s.OverdueCalls, Followed: s.Migrations,
		}
	})
}

// watchSimulation says the same of a simulated hypervisor, so that dashboards
// and alerts can be tried on it.
func (o *observer) watchSimulation(h *fake.Hypervisor) {
	metrics.NewLibvirt(o.registry, func() metrics.LibvirtFigures {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := h.Facts(ctx)
		return metrics.LibvirtFigures{Connected: err == nil}
	})
}

// watchPeers adds the metrics of the peer RPC.
func (o *observer) watchPeers(s *peer.Server, c *peer.Certificates) {
	metrics.NewPeer(o.registry, func() metrics.PeerFigures {
		f := metrics.PeerFigures{Refused: map[string]uint64{}}
		for _, r := range peer.Refusals() {
			f.Refused[r.String()] = s.Refused(r)
		}
		if c != nil {
			f.CertificateExpires = c.Expires()
		}
		return f
	})
}

// watchGossip adds the metrics of the gossip.
func (o *observer) watchGossip(g *gossip.Gossip) {
	metrics.NewGossip(o.registry, func() metrics.GossipFigures {
		s := g.Stats()
		f := metrics.GossipFigures{
			Members: s.Members, Known: s.Known, Interval: s.Interval, Queued: s.Queued, Health: s.Health,
			Sent: s.Sent, Early: s.Early, Direct: s.Direct, Accepted: s.Accepted, Duplicates: s.Duplicates, Relayed: s.Relayed,
			Rejected:     map[string]uint64{},
			JoinAttempts: s.JoinAttempts, JoinFailures: s.JoinFailures,
			PacketsSent: s.PacketsSent, PacketsReceived: s.PacketsReceived,
			PacketBytesSent: s.PacketBytesSent, PacketBytesReceived: s.PacketBytesReceived,
			StreamBytesSent: s.StreamBytesSent, StreamBytesReceived: s.StreamBytesReceived,
		}
		for _, c := range gossip.Causes() {
			f.Rejected[c.String()] = s.Rejected[c]
		}
		return f
	})
}

// healthy is what only a restart would help against.
func (d *daemon) healthy() []string {
	if b := d.balancer.Load(); b != nil && !b.Alive(time.Now()) {
		return []string{"the control loop does not come round"}
	}
	if beat := libvirt.Heartbeat(); !beat.IsZero() && time.Since(beat) > time.Minute {
		return []string{fmt.Sprintf("libvirt's event loop has not run for %s", time.Since(beat).Round(time.Second))}
	}
	return nil
}

// ready is what keeps a healthy daemon from doing its work.
func (d *daemon) ready() []string {
	b := d.balancer.Load()
	if b == nil {
		return []string{"the daemon is starting: it waits for the hypervisor"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := b.Status(ctx)
	switch {
	case err != nil:
		return []string{err.Error()}
	case s.State.Flags.Has(policy.Blind):
		return []string{policy.NoSample.Text()}
	default:
		return nil
	}
}
