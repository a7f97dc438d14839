package balancer

import (
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// timelineLength is how many points of the past are kept: four hours at the
// default interval. A point takes two bytes for each host.
const timelineLength = 720

// timelineStep is the least time between two points.
const timelineStep = 2 * time.Second

// timeline is the load of every host over the last while, as this daemon has
// heard of it. It is a ring: the memory it takes depends on the number of hosts
// alone.
type timeline struct {
	mu    sync.Mutex
	at    [timelineLength]time.Time
	hosts map[policy.HostID]*[timelineLength]permille
	// next is where the next point goes; count is how many there are.
	next, count int
}

// permille is a load in thousandths, plus one; zero is not known.
type permille uint16

// observe adds a point, unless the last one is quite new.
func (t *timeline) observe(now time.Time, hosts []policy.Host, staleAfter time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.at[(t.next+timelineLength-1)%timelineLength]
	if t.count > 0 && now.Sub(last) < timelineStep*9/10 { // a tick may be early
		return
	}
	if t.hosts == nil {
		t.hosts = map[policy.HostID]*[timelineLength]permille{}
	}
	t.at[t.next] = now
	for _, ring := range t.hosts {
		ring[t.next] = 0
	}
	for _, h := range hosts {
		ring, ok := t.hosts[h.ID]
		if !ok {
			ring = new([timelineLength]permille)
			t.hosts[h.ID] = ring
		}
		if h.Flags.Has(policy.Blind) || now.Sub(h.Received) > staleAfter {
			continue
		}
		load := min(max(h.Used.Share(policy.CPU, h.Capacity), 0), 60)
		ring[t.next] = permille(load*1000) + 1
	}
	t.next = (t.next + 1) % timelineLength
	t.count = min(t.count+1, timelineLength)
	for id, ring := range t.hosts {
		if *ring == ([timelineLength]permille{}) {
			delete(t.hosts, id)
		}
	}
}

// since shows the points after a time.
func (t *timeline) since(after time.Time) api.Timeline {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := api.Timeline{At: []int64{}, Permille: map[policy.HostID][]int{}}
	var places []int
	for i := range t.count {
		place := (t.next + timelineLength - t.count + i) % timelineLength
		if t.at[place].UnixMilli() > after.UnixMilli() {
			places = append(places, place)
			shown.At = append(shown.At, t.at[place].UnixMilli())
		}
	}
	for id, ring := range t.hosts {
		points := make([]int, len(places))
		for i, place := range places {
			points[i] = int(ring[place]) - 1
		}
		shown.Permille[id] = points
	}
	return shown
}

// Timeline shows the load of every host after a time.
func (b *Balancer) Timeline(after time.Time) api.Timeline { return b.timeline.since(after) }
