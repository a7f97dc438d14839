package gossip

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
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
	const recount = time.Second
	count := time.NewTicker(recount)
	defer count.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.published:
		case <-timer.C:
		case <-count.C:
			g.repace(time.Now())
		}
		wait, ok := g.outbox.due(time.Now(), g.every())
		switch {
		case !ok:
			continue
		case wait > 0:
			timer.Reset(wait)
			continue
		}
		crowded := g.queue.unsent(g.table.selfKey)
		if f := g.send(); crowded || g.table.swamped() {
			g.tell(f)
		}
	}
}

// tell sends a digest to a few hosts directly. memberlist fills its packets with
// the news of joins and deaths first, and when thousands of hosts come, or are
// made up, that is all they hold, for up to half an hour; and it sends them to
// members at random, which are then mostly those that are made up.
func (g *Gossip) tell(f flood) {
	const few = 8
	list := g.list.Load()
	batch := f.append(appendBatchHeader(nil), time.Now())
	for _, addr := range g.table.proven(few) {
		if err := list.SendToAddress(memberlist.Address{Addr: addr.String()}, batch); err != nil {
			g.log.Debug("digest not sent directly", "addr", addr.String(), "err", err)
			continue
		}
		g.count.direct.Add(1)
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

// every is the time between two digests of each host.
func (g *Gossip) every() time.Duration { return time.Duration(g.pace.every.Load()) }

// pace is how many hosts tell of themselves, and what follows from it. Members
// that say nothing do not count: whoever has the key can make thousands of them
// up, and slow the whole fleet down by that.
type pace struct {
	hosts atomic.Int64
	every atomic.Int64 // time.Duration
}

// hearsay is how long a digest counts as a sign of life of a host that has never
// answered this one: a few digests may be lost on the way.
func hearsay(every time.Duration) time.Duration { return max(10*time.Second, 4*every) }

// repace counts anew.
func (g *Gossip) repace(now time.Time) {
	n := g.table.telling(now, hearsay(g.every()))
	g.pace.hosts.Store(int64(n))
	g.pace.every.Store(int64(interval(g.opts.Interval, n)))
}
