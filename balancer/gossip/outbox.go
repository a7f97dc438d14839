package gossip

import (
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

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

// again has the newest state sent once more: somebody is there who has not
// heard it.
func (o *outbox) again() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unsent = o.unsent || !o.born.IsZero()
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
	return flood{host: key, record: d.append(nil), born: o.born}, true
}
