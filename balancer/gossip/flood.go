package gossip

import (
	"context"
	"time"
)

// fleetRate is how many digests a second the whole fleet may send: what fits
// into memberlist's packets with the repeats that flooding needs. At twice the
// rate every tenth digest is lost.
const fleetRate = 100

// interval is the time between two digests of one host among n.
func interval(shortest time.Duration, n int) time.Duration {
	return max(shortest, time.Duration(n)*time.Second/fleetRate)
}

// flooding sends this host's digests at the fleet's pace until ctx ends.
func (g *Gossip) flooding(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.published:
		case <-timer.C:
		}
		wait, ok := g.outbox.due(time.Now(), g.every())
		switch {
		case !ok:
			continue
		case wait > 0:
			timer.Reset(wait)
			continue
		}
		g.send()
	}
}

// send queues this host's digest now, and returns it.
func (g *Gossip) send() flood {
	record, born, early := g.outbox.next(g.table.selfKey, time.Now(), g.every())
	g.count.sent.Add(1)
	if early {
		g.count.early.Add(1)
	}
	f := flood{host: g.table.selfKey, record: record, born: born}
	g.queue.put(f)
	return f
}

func (g *Gossip) every() time.Duration { return interval(g.opts.Interval, int(g.size.Load())) }
