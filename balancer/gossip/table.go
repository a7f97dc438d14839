package gossip

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gate"
	"github.com/virtbalance/virtbalance/policy"
)

// member is another host that is in the cluster now.
type member struct {
	id    policy.HostID
	key   hostKey
	addr  netip.AddrPort
	facts policy.HostFacts
	epoch uint32

	// The newest digest; record is empty until one has arrived.
	seq    uint32
	record []byte
	state  policy.HostState
	// arrived is when the digest came in, born when its state was true: both by
	// this host's clock.
	arrived, born time.Time
	goodbye       bool
}

// table holds what is known of the other hosts. memberlist's own node list
// cannot be read without a race: it is changed under a lock that is not ours.
type table struct {
	self     policy.HostID
	selfKey  hostKey
	maxHosts int

	// newcomers bounds how many hosts may come in a time that have never been
	// here: their news is passed on before anything else, by memberlist.
	newcomers *gate.Gate[struct{}]

	mu      sync.RWMutex
	members map[policy.HostID]*member
	byKey   map[hostKey]*member
	peers   peers
}

func newTable(self policy.HostID, maxHosts int, expiry time.Duration) *table {
	// A thousand new hosts started at once are together within a minute, and ten
	// seconds of lies cost the packets of as many seconds.
	crowd := gate.Allowance{AtOnce: 1, PerSecond: 10, Burst: 500}
	return &table{
		self: self, selfKey: keyOf(self), maxHosts: maxHosts, newcomers: gate.New[struct{}](crowd, crowd),
		members: make(map[policy.HostID]*member),
		byKey:   make(map[hostKey]*member),
		peers:   peers{expiry: expiry, max: maxHosts, seen: make(map[policy.HostID]peer)},
	}
}

// admissible says whether a host may become, or stay, a member.
func (t *table) admissible(id policy.HostID) (Cause, error) {
	if err := checkHostID(id); err != nil {
		return CauseBadMeta, err
	}
	t.mu.Lock() // the gate wants one at a time
	defer t.mu.Unlock()
	if _, ok := t.members[id]; ok {
		return 0, nil
	}
	key := keyOf(id)
	if other, ok := t.byKey[key]; ok {
		return CauseConflict, fmt.Errorf("shares its digest key with host %s", other.id)
	}
	if key == t.selfKey {
		return CauseConflict, errors.New("shares its digest key with this host")
	}
	if p, ok := t.peers.seen[id]; ok && !p.Unproven {
		return 0, nil // has a place, however many have been made up meanwhile
	}
	if len(t.members)+1 >= t.maxHosts {
		return CauseTooManyHosts, fmt.Errorf("the cluster is limited to %d hosts", t.maxHosts)
	}
	if t.newcomers.Enter(struct{}{}) != gate.Admitted {
		return CauseTooManyHosts, errors.New("too many new hosts at once: it is taken in later")
	}
	t.newcomers.Leave(struct{}{})
	return 0, nil
}

// join adds a member, or takes in its new facts. A new epoch is a new life of
// the host's daemon: what its former life said is forgotten. It returns the
// member and whether it is new.
func (t *table) join(id policy.HostID, addr netip.AddrPort, m meta, now time.Time) (member, bool) {
	m.facts.ID = id
	t.mu.Lock()
	defer t.mu.Unlock()
	host, known := t.members[id]
	if !known || host.epoch != m.epoch {
		host = &member{id: id, key: keyOf(id), epoch: m.epoch}
		t.members[id] = host
		t.byKey[host.key] = host
	}
	host.addr, host.facts = addr, m.facts
	t.peers.note(id, peer{Addr: addr, Name: m.facts.Name, Endpoint: m.facts.Endpoint, LastSeen: now, Unproven: true})
	return *host, !known
}

// leave drops a member that left or was declared dead, and returns it. The
// address of one that did not say goodbye stays known.
func (t *table) leave(id policy.HostID) (member, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.members[id]
	if !ok {
		return member{}, false
	}
	delete(t.members, id)
	delete(t.byKey, m.key)
	if m.goodbye {
		t.peers.forget(id)
	}
	return *m, true
}

// accept takes in a digest. It returns it if it was news, and so is worth
// passing on.
func (t *table) accept(record []byte, now time.Time) (news flood, why Cause, ok bool) {
	d, err := decodeDigest(record)
	if err != nil {
		return flood{}, CauseGarbage, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.byKey[d.host]
	switch {
	case !ok:
		return flood{}, CauseUnknownHost, false
	case d.epoch != m.epoch:
		return flood{}, CauseOtherEpoch, false
	case d.seq <= m.seq:
		return flood{}, causeDuplicate, false
	case m.seq != 0 && float64(d.seq-m.seq) > mayHaveSent(now.Sub(m.arrived)):
		return flood{}, CauseWildSequence, false
	case !plausible(d.state, m.facts.Capacity):
		return flood{}, CauseAbsurd, false
	}
	m.seq, m.state, m.goodbye = d.seq, d.state, d.goodbye
	m.record = bytes.Clone(record)
	m.arrived, m.born = now, now.Add(-d.age)
	t.peers.hear(m.id, now)
	return flood{host: m.key, record: m.record, born: m.born}, 0, true
}

// causeDuplicate is not a rejection: every digest arrives several times.
const causeDuplicate = causes

// mayHaveSent bounds how many digests a host can have numbered in a time: the
// most that flood.go allows, several times over.
func mayHaveSent(d time.Duration) float64 {
	const slack, perSecond = 1000, 10
	return slack + perSecond*d.Seconds()
}

// hosts returns the members whose state has arrived, those that have not
// answered as long as somebody tells of them.
func (t *table) hosts(now time.Time, hearsay time.Duration) []policy.Host {
	t.mu.RLock()
	defer t.mu.RUnlock()
	hosts := make([]policy.Host, 0, len(t.members))
	for _, m := range t.members {
		told := len(m.record) > 0 && (!t.peers.seen[m.id].Unproven || m.told(now, hearsay))
		if told && !m.goodbye {
			hosts = append(hosts, policy.Host{HostFacts: m.facts, HostState: m.state, Received: m.born})
		}
	}
	return hosts
}

// floods returns the newest digest of every member, for a push/pull exchange.
func (t *table) floods() []flood {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]flood, 0, len(t.members))
	for _, m := range t.members {
		if len(m.record) > 0 {
			all = append(all, flood{host: m.key, record: m.record, born: m.born})
		}
	}
	return all
}

// known counts the hosts of the last day, this one included.
func (t *table) known(now time.Time) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := 1
	for id, p := range t.peers.seen {
		if t.counts(id, p, now) {
			n++
		}
	}
	return n
}

// counts reports whether a host is one of those known. One that has never
// answered is for as long as it is remembered after somebody told of it.
func (t *table) counts(id policy.HostID, p peer, now time.Time) bool {
	if p.Unproven {
		return p.Told && t.peers.fresh(p, now)
	}
	_, member := t.members[id]
	return member || t.peers.fresh(p, now)
}

// missing returns those known hosts that are no members, or have told nothing
// since they are.
func (t *table) missing(now time.Time) []policy.MissingHost {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var missing []policy.MissingHost
	for id, p := range t.peers.seen {
		if m := t.members[id]; (m == nil || len(m.record) == 0) && t.counts(id, p, now) {
			missing = append(missing, policy.MissingHost{ID: id, Name: p.Name, LastSeen: p.LastSeen})
		}
	}
	slices.SortFunc(missing, func(a, b policy.MissingHost) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return missing
}

// telling counts the members whose digest is younger than that, and this host.
func (t *table) telling(now time.Time, within time.Duration) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := 1
	for _, m := range t.members {
		if m.told(now, within) {
			n++
		}
	}
	return n
}

func (m *member) told(now time.Time, within time.Duration) bool {
	return len(m.record) > 0 && now.Sub(m.arrived) < within
}

// size counts the members, this host included.
func (t *table) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.members) + 1
}

// endpoint returns where a host is reached: a member, or one that was.
func (t *table) endpoint(id policy.HostID) (policy.Endpoint, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if m, ok := t.members[id]; ok {
		return m.facts.Endpoint, true
	}
	p, ok := t.peers.seen[id]
	return p.Endpoint, ok && p.Endpoint.Peer != ""
}
