package gossip

import (
	"context"

	"github.com/virtbalance/virtbalance/balancer/gate"
	"github.com/virtbalance/virtbalance/policy"
)

// event is a change in the membership.
type event struct {
	kind eventKind
	id   policy.HostID
	name string
	addr string
}

type eventKind uint8

const (
	joined eventKind = iota
	left
	lost
)

// eventsMax bounds the events that wait to be logged; more are not logged.
const eventsMax = 1024

// announce hands an event over to be logged: memberlist calls back while it
// holds its lock, and a log can block.
func (g *Gossip) announce(kind eventKind, m member) {
	select {
	case g.events <- event{kind: kind, id: m.id, name: m.facts.Name, addr: m.addr.String()}:
	default:
	}
}

// announcing logs events until ctx ends, a line a second on average: whoever has
// the key can have hosts come and go.
func (g *Gossip) announcing(ctx context.Context) {
	lines := gate.Allowance{AtOnce: 1, PerSecond: 1, Burst: 100}
	paper := gate.New[struct{}](lines, lines)
	suppressed := 0
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-g.events:
			if paper.Enter(struct{}{}) != gate.Admitted {
				suppressed++
				continue
			}
			paper.Leave(struct{}{})
			if suppressed > 0 {
				g.log.Info("more hosts came and went than are told here", "suppressed", suppressed, "members", g.size.Load())
				suppressed = 0
			}
			log := g.log.With("host", e.name, "id", e.id, "addr", e.addr)
			switch e.kind {
			case joined:
				log.Info("host joined")
			case left:
				log.Info("host left")
			case lost:
				log.Info("host lost: it does not answer")
			}
		}
	}
}
