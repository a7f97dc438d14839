package gossip

import (
	"context"

	"github.com/virtbalance/virtbalance/policy"
)

// event is a change in the membership.
type event struct {
	text string
	id   policy.HostID
	name string
	addr string
}

// eventsMax bounds the events that wait to be logged; more are not logged.
const eventsMax = 1024

const (
	hostJoined = "host joined"
	hostLeft   = "host left"
	hostLost   = "host lost: it does not answer"
)

// announce hands an event over to be logged: memberlist calls back while it
// holds its lock, and a log can block.
func (g *Gossip) announce(text string, m member) {
	select {
	case g.events <- event{text: text, id: m.id, name: m.facts.Name, addr: m.addr.String()}:
	default:
	}
}

// announcing logs events until ctx ends.
func (g *Gossip) announcing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-g.events:
			g.log.Info(e.text, "host", e.name, "id", e.id, "addr", e.addr)
		}
	}
}
