package gossip

import (
	"slices"
	"sync"
	"time"
)

// flood is a digest on its way, this host's own or one that is passed on.
type flood struct {
	host   hostKey
	record []byte    // never changed once it is here
	born   time.Time // when the state was true, by this host's clock
}

// append adds the record to a batch, with its age at this moment: the waiting
// times of all relays add up.
func (f flood) append(batch []byte, now time.Time) []byte {
	batch = appendRecord(batch, f.record)
	setAge(batch[len(batch)-len(f.record):], now.Sub(f.born))
	return batch
}

// sends returns how often each of n hosts sends each digest, if every host has
// a new one each interval.
//
// The share z of the hosts that a flood with f sends misses solves
// z = exp(-f × (1-z)): 2 % with 4 sends, 0.25 % with 6, 0.03 % with 8. At
// fleetRate digests a second, 6 sends of some 32 bytes fill most of the 21 kB/s
// that memberlist's packets can carry; a smaller fleet has room for more.
// (memberlist's own queue sends 2 × ceil(log10(n+1)) times: 4 below 100 hosts.)
func sends(n int, every time.Duration) int {
	room := sendsMin * fleetRate * every.Seconds() / float64(n)
	return int(min(max(sendsMin, room), sendsMax))
}

const (
	sendsMin = 6
	sendsMax = 8
)

// queue holds the digests that are to be passed on, at most one of each host:
// a newer one replaces an older. Those that were sent least go first, and among
// them the last to come, so that when there is too much to send the old give way.
type queue struct {
	mu     sync.Mutex
	newest map[hostKey]*queued
	// tiers are stacks of digests by the number of times they were sent. A
	// digest that was replaced stays until it comes up or is swept.
	tiers [sendsMax][]*queued
	stale int
}

type queued struct {
	flood
	stale, sent bool
}

// put adds a digest.
func (q *queue) put(f flood) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.newest == nil {
		q.newest = make(map[hostKey]*queued)
	}
	if old, ok := q.newest[f.host]; ok {
		old.stale = true
		q.stale++
	}
	entry := &queued{flood: f}
	q.newest[f.host] = entry
	q.tiers[0] = append(q.tiers[0], entry)
	if q.stale > 64+len(q.newest) {
		q.sweep()
	}
}

// sweep drops the digests that were replaced.
func (q *queue) sweep() {
	for i, tier := range q.tiers {
		kept := tier[:0]
		for _, e := range tier {
			if !e.stale {
				kept = append(kept, e)
			}
		}
		clear(tier[len(kept):])
		q.tiers[i] = kept
	}
	q.stale = 0
}

// take returns a batch of at most limit bytes, nil if there is nothing to send.
// A digest that has been sent the given number of times is done with.
func (q *queue) take(limit int, now time.Time, sends int) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.newest) == 0 || limit < batchHeader+recordOverhead+recordMin {
		return nil
	}
	batch := appendBatchHeader(make([]byte, 0, limit))
	full := false
	var moving []*queued // sent just now, on its way to the next tier
	for i := range q.tiers {
		tier, sent := q.tiers[i], []*queued(nil)
		for len(tier) > 0 && !full {
			e := tier[len(tier)-1]
			if !e.stale && len(batch)+recordOverhead+len(e.record) > limit {
				full = true
				break
			}
			tier[len(tier)-1] = nil
			tier = tier[:len(tier)-1]
			switch {
			case e.stale:
				q.stale--
				continue
			case i+1 >= sends:
				delete(q.newest, e.host)
			default:
				sent = append(sent, e)
			}
			e.sent = true
			batch = e.append(batch, now)
		}
		slices.Reverse(moving) // back to the newest on top of the tier
		q.tiers[i] = append(tier, moving...)
		moving = sent
	}
	if len(batch) == batchHeader {
		return nil
	}
	return batch
}

// unsent reports whether the newest digest of a host has not been sent once.
func (q *queue) unsent(host hostKey) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.newest[host]
	return ok && !e.sent
}

// len counts the digests that wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.newest)
}
