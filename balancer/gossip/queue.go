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

// sends is how often each host sends each digest. The share z of the hosts that
// a flood misses solves z = exp(-sends × (1-z)): 2 % with 4 sends, 0.7 % with
// 5, 0.25 % with 6. At fleetRate digests a second, 6 sends of some 31 bytes fill
// most of the 21 kB/s that memberlist's packets can carry.
//
// memberlist's own queue sends 2 × ceil(log10(n+1)) times: 6 times from 100 to
// 999 hosts, but only 4 times below, where there is room for more.
const sends = 6

// queue holds the digests that are to be passed on, at most one of each host:
// a newer one replaces an older. Those that were sent least go first, and among
// them the last to come, so that when there is too much to send the old give way.
type queue struct {
	mu     sync.Mutex
	newest map[hostKey]*queued
	// tiers are stacks of digests by the number of times they were sent. A
	// digest that was replaced stays until it comes up or is swept.
	tiers [sends][]*queued
	stale int
}

type queued struct {
	flood
	stale bool
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
func (q *queue) take(limit int, now time.Time) []byte {
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
			case i+1 == sends:
				delete(q.newest, e.host)
			default:
				sent = append(sent, e)
			}
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

// len counts the digests that wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.newest)
}
