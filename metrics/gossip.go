package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// GossipFigures are what the gossip keeps count of, since it started.
type GossipFigures struct {
	// Members and Known count hosts, this one included: members now, known in
	// the last day.
	Members, Known int
	// Interval between two digests of this host.
	Interval time.Duration
	// Queued digests wait to be passed on.
	Queued int
	// Health is memberlist's score of this host; 0 is well.
	Health int

	Sent, Early, Direct           uint64
	Accepted, Duplicates, Relayed uint64
	// Rejected by cause.
	Rejected map[string]uint64

	JoinAttempts, JoinFailures uint64

	PacketsSent, PacketsReceived         uint64
	PacketBytesSent, PacketBytesReceived uint64
	StreamBytesSent, StreamBytesReceived uint64
}

// Gossip is the talk between the daemons.
type Gossip struct{ snapshot[GossipFigures] }

// NewGossip registers the metrics of the gossip; read returns the figures of
// the moment.
func NewGossip(r prometheus.Registerer, read func() GossipFigures) *Gossip {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	type f = GossipFigures
	inOut := func(in, out uint64) map[string]float64 {
		return map[string]float64{"received": float64(in), "sent": float64(out)}
	}
	g := &Gossip{snapshot[f]{read, []figure[f]{
		single(gauge, "virtbalanced_gossip_members", "Hosts that are members now, this one included.",
			func(f f) float64 { return float64(f.Members) }),
		single(gauge, "virtbalanced_gossip_known_hosts", "Hosts heard from in the last day, this one included.",
			func(f f) float64 { return float64(f.Known) }),
		single(gauge, "virtbalanced_gossip_interval_seconds", "Time between two digests of this host; grows with the fleet.",
			func(f f) float64 { return f.Interval.Seconds() }),
		single(gauge, "virtbalanced_gossip_queued_digests", "Digests that wait to be passed on.",
			func(f f) float64 { return float64(f.Queued) }),
		single(gauge, "virtbalanced_gossip_health_score", "How badly this host keeps up with the gossip; 0 is well.",
			func(f f) float64 { return float64(f.Health) }),
		single(counter, "virtbalanced_gossip_digests_sent_total", "Digests of this host.",
			func(f f) float64 { return float64(f.Sent) }),
		single(counter, "virtbalanced_gossip_digests_sent_early_total", "Those among them that a change of band or flags sent before their time.",
			func(f f) float64 { return float64(f.Early) }),
		single(counter, "virtbalanced_gossip_digests_sent_directly_total", "Digests of this host that were sent to single hosts, for want of room in the flood.",
			func(f f) float64 { return float64(f.Direct) }),
		single(counter, "virtbalanced_gossip_digests_relayed_total", "Digests of others that were passed on.",
			func(f f) float64 { return float64(f.Relayed) }),
		several(counter, "virtbalanced_gossip_digests_received_total", "Digests of others: accepted ones were news, duplicates were not.", "result",
			func(f f) map[string]float64 {
				return map[string]float64{"accepted": float64(f.Accepted), "duplicate": float64(f.Duplicates)}
			}),
		several(counter, "virtbalanced_gossip_rejected_total", "What arrived and was not used, by cause.", "cause",
			func(f f) map[string]float64 { return counts(f.Rejected) }),
		single(counter, "virtbalanced_gossip_join_attempts_total", "Exchanges tried with hosts of the join list and with lost ones.",
			func(f f) float64 { return float64(f.JoinAttempts) }),
		single(counter, "virtbalanced_gossip_join_failures_total", "Those that failed.",
			func(f f) float64 { return float64(f.JoinFailures) }),
		several(counter, "virtbalanced_gossip_packets_total", "UDP packets.", "direction",
			func(f f) map[string]float64 { return inOut(f.PacketsReceived, f.PacketsSent) }),
		several(counter, "virtbalanced_gossip_packet_bytes_total", "Bytes in UDP packets, headers not counted.", "direction",
			func(f f) map[string]float64 { return inOut(f.PacketBytesReceived, f.PacketBytesSent) }),
		several(counter, "virtbalanced_gossip_stream_bytes_total", "Bytes in TCP streams, headers not counted.", "direction",
			func(f f) map[string]float64 { return inOut(f.StreamBytesReceived, f.StreamBytesSent) }),
	}}}
	r.MustRegister(g)
	return g
}

func counts(m map[string]uint64) map[string]float64 {
	out := make(map[string]float64, len(m))
	for k, n := range m {
		out[k] = float64(n)
	}
	return out
}
