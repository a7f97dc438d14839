package libvirt

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// registry is what is known of the domains beyond their counters: whether
// something forbids moving them, what they remember of their moves, which job
// runs on them. Reading that takes several calls for each domain, so it is
// read in the background and looked up by Sample.
type registry struct {
	every time.Duration // how long an inspection is good for

	mu       sync.Mutex
	domains  map[policy.DomainID]*knowledge
	stops    map[policy.DomainID]stop
	inspect  chan struct{} // something wants to be inspected
	nextScan int
}

// knowledge is what is known of one active domain.
type knowledge struct {
	// last is what the latest complete record said.
	last domainStats

	inspected time.Time // zero: never, or not since changed
	changed   time.Time // when an event last said that something is different
	verdict   finding
	rules     rules

	job    policy.Job
	asked  time.Time // when the job was asked for; zero: never
	state  policy.DomainState
	reason int
	// askedState and askedReason are the state that went with the job.
	askedState  policy.DomainState
	askedReason int
	hint        bool // an event says that a job may have begun or ended
}

// stop is how a domain left this host, as an event told it.
type stop struct {
	at       time.Time
	migrated bool
}

// retryInspection is how soon a failed inspection is tried again.
const retryInspection = 15 * time.Second

// stopsKept bounds the memory of domains that have gone.
const (
	stopsKept = 1024
	stopsFor  = time.Hour
)

func newRegistry(every time.Duration) *registry {
	return &registry{
		every:   every,
		domains: make(map[policy.DomainID]*knowledge),
		stops:   make(map[policy.DomainID]stop),
		inspect: make(chan struct{}, 1),
	}
}

// forget marks everything as outdated: after a reconnect, events are missing.
func (r *registry) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.domains {
		k.inspected, k.changed = time.Time{}, time.Now()
		k.asked, k.hint = time.Time{}, true
	}
	r.wake()
}

// wake tells the inspector that there is work.
func (r *registry) wake() {
	select {
	case r.inspect <- struct{}{}:
	default:
	}
}

// observe takes in a reading of all active domains and returns their counters,
// completed by what is known of them. A domain that is new stays where it is
// until it has been inspected.
func (r *registry) observe(records []domainStats) []policy.DomainCounters {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[policy.DomainID]*knowledge, len(records))
	domains := make([]policy.DomainCounters, 0, len(records))
	for _, rec := range records {
		k := r.domains[rec.ID]
		if k == nil {
			k = &knowledge{verdict: notInspected, hint: true}
			r.wake()
		}
		k.state, k.reason = rec.State, rec.reason
		next[rec.ID] = k
		c := k.complete(rec)
		c.Job, c.Obstacle = k.currentJob(), k.verdict.Reason
		c.Rules, c.History = k.rules.Rules, k.rules.history
		if k.rules.hugePages {
			c = withHugePages(c, k.last.resident)
		}
		domains = append(domains, c)
	}
	r.domains = next
	return domains
}

// withHugePages takes what a guest has in huge pages out of its ordinary memory,
// where what is resident does not have it anyway: what is left is QEMU's own.
func withHugePages(c policy.DomainCounters, resident bool) policy.DomainCounters {
	c.HugePages = c.MemoryMax
	if !resident {
		c.Memory = 0
	}
	c.MemoryMax = max(c.Memory, policy.MiB) // a peer takes no promise of nothing
	return c
}

// complete fills in what libvirt leaves out of the record of a domain that is
// occupied by another call: a counter that falls to zero and comes back would
// look like a burst, and memory would jump between two ways of counting it.
func (k *knowledge) complete(rec domainStats) policy.DomainCounters {
	if rec.VCPUs == 0 {
		rec.VCPUs, rec.Wait = k.last.VCPUs, k.last.Wait
	}
	if !rec.resident && k.last.resident {
		rec.Memory, rec.resident = k.last.Memory, true
	}
	k.last = rec
	return rec.DomainCounters
}

// currentJob is the job that was found, as long as the state is still the one
// that it was found with; else the state has to speak for itself.
func (k *knowledge) currentJob() policy.Job {
	if !k.asked.IsZero() && k.state == k.askedState && k.reason == k.askedReason {
		return k.job
	}
	if role := migrationRole(k.state, k.reason, k.job == policy.MigratingOut); role != policy.NoJob {
		return role
	}
	return k.job
}

// outdated marks a domain for inspection.
func (r *registry) outdated(id policy.DomainID, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.domains[id]; k != nil {
		k.inspected, k.changed = time.Time{}, at
		r.wake()
	}
}

// unread forgets what the definition of a domain said: it was changed by us, and
// the domain stays where it is until it has been read again.
func (r *registry) unread(id policy.DomainID, at time.Time) {
	r.mu.Lock()
	if k := r.domains[id]; k != nil {
		k.verdict = notInspected
	}
	r.mu.Unlock()
	r.outdated(id, at)
}

// jobHint says that a job on the domain may have begun or ended.
func (r *registry) jobHint(id policy.DomainID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.domains[id]; k != nil {
		k.hint = true
	}
}

// stopped records how a domain left this host.
func (r *registry) stopped(id policy.DomainID, at time.Time, migrated bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.domains, id)
	if len(r.stops) >= stopsKept {
		for other, s := range r.stops {
			if at.Sub(s.at) > stopsFor || len(r.stops) >= 2*stopsKept {
				delete(r.stops, other)
			}
		}
	}
	r.stops[id] = stop{at, migrated}
}

// stopSince returns how the domain left this host after t, if that was seen.
func (r *registry) stopSince(id policy.DomainID, t time.Time) (stop, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.stops[id]
	return s, ok && s.at.After(t)
}

// due returns the domains to inspect, those that wait longest first.
func (r *registry) due(now time.Time) []policy.DomainID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []policy.DomainID
	for id, k := range r.domains {
		if now.Sub(k.inspected) >= r.every {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b policy.DomainID) int {
		return cmp.Or(r.domains[a].inspected.Compare(r.domains[b].inspected), cmp.Compare(a, b))
	})
	return ids
}

// learned stores what an inspection that began at began has found. If the
// domain has changed since, it stays due.
func (r *registry) learned(id policy.DomainID, began time.Time, f finding, found rules) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.domains[id]
	if k == nil {
		return
	}
	k.verdict, k.rules = f, found
	if !k.changed.After(began) {
		k.inspected = began
	}
}

// postponed notes that an inspection failed: the verdict that there is stays,
// and the next attempt waits for its turn like any other.
func (r *registry) postponed(id policy.DomainID, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.domains[id]; k != nil && !k.changed.After(began) {
		k.inspected = began.Add(min(0, retryInspection-r.every))
	}
}

// toAsk returns the domains whose job should be asked for now: those that a
// hint, a job or a state makes interesting, and scan others in turn, so that
// everybody's turn comes even if no event ever does.
func (r *registry) toAsk(scan int) []policy.DomainID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids, others []policy.DomainID
	for id, k := range r.domains {
		if k.hint || k.job != policy.NoJob || migrationRole(k.state, k.reason, false) != policy.NoJob {
			k.hint = false
			ids = append(ids, id)
		} else {
			others = append(others, id)
		}
	}
	slices.Sort(ids)
	slices.Sort(others)
	for range min(scan, len(others)) {
		r.nextScan = (r.nextScan + 1) % len(others)
		ids = append(ids, others[r.nextScan])
	}
	return ids
}

// jobIs stores the job of a domain, with the state that it was found in.
func (r *registry) jobIs(id policy.DomainID, j policy.Job, state policy.DomainState, reason int, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.domains[id]
	if k == nil { // not in a sample yet; the next one drops it if it is gone
		k = &knowledge{verdict: notInspected}
		r.domains[id] = k
		r.wake()
	}
	k.job, k.asked, k.askedState, k.askedReason = j, at, state, reason
}

// Obstacle returns why the domain cannot be moved, with the detail for people,
// as far as it is known without asking libvirt. known is false for a domain
// that was not in the last sample.
func (h *Hypervisor) Obstacle(id policy.DomainID) (reason policy.Reason, detail string, known bool) {
	h.known.mu.Lock()
	defer h.known.mu.Unlock()
	k := h.known.domains[id]
	if k == nil {
		return policy.OK, "", false
	}
	return k.verdict.Reason, k.verdict.Detail, true
}
