package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PeerFigures are the condition of the peer RPC.
type PeerFigures struct {
	// Refused counts connections and requests turned away, by cause.
	Refused map[string]uint64
	// CertificateExpires is when the first of the host's certificates does;
	// zero without certificates.
	CertificateExpires time.Time
}

// Peer is where other daemons ask for room.
type Peer struct{ snapshot[PeerFigures] }

// NewPeer registers the metrics of the peer RPC; read returns the figures of
// the moment.
func NewPeer(r prometheus.Registerer, read func() PeerFigures) *Peer {
	type f = PeerFigures
	p := &Peer{snapshot[f]{read, []figure[f]{
		several(prometheus.CounterValue, "virtbalanced_peer_refused_total", "Connections and requests of other daemons that were turned away, by cause.", "cause",
			func(f f) map[string]float64 { return counts(f.Refused) }),
		single(prometheus.GaugeValue, "virtbalanced_peer_certificate_expiry_timestamp_seconds", "When the host's certificate expires; NaN without one.",
			func(f f) float64 {
				if f.CertificateExpires.IsZero() {
					return math.NaN()
				}
				return float64(f.CertificateExpires.Unix())
			}),
	}}}
	r.MustRegister(p)
	return p
}
