package gossip

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/policy"
)

// flood is one digest on its way, this host's own or one that is passed on. It
// is memberlist's NamedBroadcast: a newer one of the same host replaces it.
type flood struct {
	name   string
	record []byte
	born   time.Time
}

var _ memberlist.NamedBroadcast = flood{}

// Name identifies the host.
func (f flood) Name() string { return f.name }

// Invalidates is not asked of a named broadcast.
func (f flood) Invalidates(memberlist.Broadcast) bool { return false }

// Finished is called when the digest has been sent often enough.
func (f flood) Finished() {}

// Message returns the record with its age at this moment, so that the waiting
// times of all relays add up.
func (f flood) Message() []byte {
	record := bytes.Clone(f.record)
	setAge(record, time.Since(f.born))
	return record
}

// fleetRate is how many digests a second the whole fleet may send: what fits
// into memberlist's packets with the repeats that flooding needs. At twice the
// rate every tenth digest is lost.
const fleetRate = 100

// interval is the time between two digests of one host among n.
func interval(shortest time.Duration, n int) time.Duration {
	return max(shortest, time.Duration(n)*time.Second/fleetRate)
}

// outbox holds this host's newest state until it is time to send it.
type outbox struct {
	mu       sync.Mutex
	state    policy.HostState
	born     time.Time
	unsent   bool
	goodbye  bool
	sentAt   time.Time
	lastSent policy.HostState
	epoch    uint32
	seq      uint32

	renewedAt time.Time
}

// put replaces the state that waits.
func (o *outbox) put(s policy.HostState, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state, o.born, o.unsent = s, now, true
}

// due returns how long the waiting state has to wait yet; ok is false if none
// waits. A change of band or flags does not wait for the interval, but even
// such changes keep a distance: a host that flutters about a mark must not
// crowd out the others.
func (o *outbox) due(now time.Time, every time.Duration) (wait time.Duration, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.unsent {
		return 0, false
	}
	if o.urgent() {
		every = max(every/4, min(every, 500*time.Millisecond))
	}
	if o.sentAt.IsZero() {
		return 0, true
	}
	return max(0, o.sentAt.Add(every).Sub(now)), true
}

func (o *outbox) urgent() bool {
	return o.goodbye || o.state.Band != o.lastSent.Band || o.state.Flags != o.lastSent.Flags
}

// next numbers and encodes the waiting state. early says that it goes before
// its time.
func (o *outbox) next(key hostKey, now time.Time, every time.Duration) (record []byte, born time.Time, early bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	early = o.urgent() && !o.sentAt.IsZero() && now.Sub(o.sentAt) < every
	o.seq++
	o.unsent, o.sentAt, o.lastSent = false, now, o.state
	d := digest{host: key, epoch: o.epoch, seq: o.seq, goodbye: o.goodbye, state: o.state}
	return d.append(nil), o.born, early
}

// newest returns the digest sent last, for a push/pull exchange.
func (o *outbox) newest(key hostKey) (flood, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seq == 0 {
		return flood{}, false
	}
	d := digest{host: key, epoch: o.epoch, seq: o.seq, goodbye: o.goodbye, state: o.lastSent}
	return flood{record: d.append(nil), born: o.born}, true
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

// send queues this host's digest now.
func (g *Gossip) send() {
	record, born, early := g.outbox.next(g.table.selfKey, time.Now(), g.every())
	g.count.sent.Add(1)
	if early {
		g.count.early.Add(1)
	}
	g.queue.QueueBroadcast(flood{name: string(g.opts.Self.ID), record: record, born: born})
}

func (g *Gossip) every() time.Duration { return interval(g.opts.Interval, int(g.size.Load())) }
