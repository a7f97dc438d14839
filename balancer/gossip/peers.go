package gossip

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// peer is where a host was last seen.
type peer struct {
	Addr     netip.AddrPort  `json:"addr"`
	Name     string          `json:"name,omitempty"`
	Endpoint policy.Endpoint `json:"endpoint,omitzero"`
	LastSeen time.Time       `json:"last_seen"`
	// Unproven: the host has never answered this one. Whoever has the key can
	// make up as many hosts as it likes; for them to answer takes more.
	Unproven bool `json:"unproven,omitempty"`
	// Told: somebody has told of its state.
	Told bool `json:"told,omitempty"`
}

// peers is the list of hosts ever seen and not yet given up. It exists because
// memberlist forgets a host soon after its death: without the list, two halves
// of a cluster that lost each other for a minute stay apart for ever.
type peers struct {
	expiry time.Duration
	max    int
	seen   map[policy.HostID]peer
}

// unprovenExpiry is how long a host that never answered is remembered. A fleet
// that is divided in its first seconds must know by then that it is.
const unprovenExpiry = 10 * time.Minute

func (p *peers) fresh(q peer, now time.Time) bool {
	if q.Unproven {
		return now.Sub(q.LastSeen) < min(p.expiry, unprovenExpiry)
	}
	return now.Sub(q.LastSeen) < p.expiry
}

// note adds a host or renews it. Beyond the bound one that never answered gives
// way, or else the one not seen for longest.
func (p *peers) note(id policy.HostID, q peer) {
	if old, ok := p.seen[id]; ok {
		q.Unproven, q.Told = q.Unproven && old.Unproven, q.Told || old.Told
	} else if len(p.seen) >= p.max {
		var worst policy.HostID
		for other, o := range p.seen {
			w := p.seen[worst]
			if worst == "" || o.Unproven && !w.Unproven || o.Unproven == w.Unproven && o.LastSeen.Before(w.LastSeen) {
				worst = other
			}
		}
		delete(p.seen, worst)
	}
	p.seen[id] = q
}

// touch notes that a host was alive just now.
func (p *peers) touch(id policy.HostID, now time.Time) {
	if q, ok := p.seen[id]; ok {
		q.LastSeen = now
		p.seen[id] = q
	}
}

// hear notes that a host was told of just now.
func (p *peers) hear(id policy.HostID, now time.Time) {
	if q, ok := p.seen[id]; ok {
		q.LastSeen, q.Told = now, true
		p.seen[id] = q
	}
}

// answered notes that a member has answered this host.
func (t *table) answered(id policy.HostID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q, ok := t.peers.seen[id]; ok && t.members[id] != nil {
		q.LastSeen, q.Unproven = now, false
		t.peers.seen[id] = q
	}
}

// answeredAt notes that the member at an address has answered.
func (t *table) answeredAt(addr netip.AddrPort, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, m := range t.members {
		if q, ok := t.peers.seen[id]; ok && m.addr == addr {
			q.LastSeen, q.Unproven = now, false
			t.peers.seen[id] = q
		}
	}
}

// touchMembers notes that those members are alive that have ever answered.
// memberlist takes a while to find out about the others.
func (t *table) touchMembers(now time.Time) {
	for id := range t.members {
		if q, ok := t.peers.seen[id]; ok && !q.Unproven {
			t.peers.touch(id, now)
		}
	}
}

// forget drops a host that took its leave: it is not missed.
func (p *peers) forget(id policy.HostID) { delete(p.seen, id) }

// expire drops the hosts that have been gone for too long.
func (p *peers) expire(now time.Time) {
	maps.DeleteFunc(p.seen, func(_ policy.HostID, q peer) bool { return !p.fresh(q, now) })
}

// lost returns the addresses of the hosts that are known and no members, which
// is where to look for the other half of a divided cluster. Those that have
// never answered are looked for when no other is missing.
func (t *table) lost(now time.Time) []netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touchMembers(now)
	t.peers.expire(now)
	var proven, unproven []netip.AddrPort
	for id, q := range t.peers.seen {
		switch _, ok := t.members[id]; {
		case ok:
		case q.Unproven:
			unproven = append(unproven, q.Addr)
		default:
			proven = append(proven, q.Addr)
		}
	}
	if len(proven) > 0 {
		return proven
	}
	return unproven
}

// addresses returns where the members are.
func (t *table) addresses() map[netip.AddrPort]bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	addrs := make(map[netip.AddrPort]bool, len(t.members))
	for _, m := range t.members {
		addrs[m.addr] = true
	}
	return addrs
}

// proven returns the addresses of a few random members that have answered.
func (t *table) proven(few int) []netip.AddrPort {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var addrs []netip.AddrPort
	for id, q := range t.peers.seen { // in random order
		if m, ok := t.members[id]; ok && !q.Unproven {
			if addrs = append(addrs, m.addr); len(addrs) == few {
				break
			}
		}
	}
	return addrs
}

// swamped reports whether most members have never answered this host, and are
// more than can be usual.
func (t *table) swamped() bool {
	const usual = 32
	t.mu.RLock()
	defer t.mu.RUnlock()
	unproven := 0
	for id := range t.members {
		if t.peers.seen[id].Unproven {
			unproven++
		}
	}
	return unproven > usual && unproven > 2*(len(t.members)-unproven)
}

// peersFile is the list on disk.
type peersFile struct {
	Version int                    `json:"version"`
	Peers   map[policy.HostID]peer `json:"peers"`
}

const peersFileVersion = 1

// loadPeers reads the list. A file that is missing, or was written by a newer
// version, is an empty list.
func (t *table) loadPeers(path string, now time.Time) error {
	const largest = 16 << 20
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("read known hosts: %w", err)
	case info.Size() > largest:
		return fmt.Errorf("read known hosts: %s has %d bytes, more than %d", path, info.Size(), largest)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read known hosts: %w", err)
	}
	var f peersFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("read known hosts from %s: %w", path, err)
	}
	if f.Version != peersFileVersion {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, q := range f.Peers {
		if id == t.self || checkHostID(id) != nil || !q.Addr.IsValid() || q.Addr.Port() == 0 {
			continue
		}
		q.Name = cut(printable(q.Name), textMax)
		if q.LastSeen.After(now) {
			q.LastSeen = now // the clock was set back
		}
		t.peers.note(id, q)
	}
	t.peers.expire(now)
	return nil
}

// savePeers writes the list: beside the file, then over it in one step.
func (t *table) savePeers(path string, now time.Time) (err error) {
	t.mu.Lock()
	t.touchMembers(now)
	f := peersFile{Version: peersFileVersion, Peers: maps.Clone(t.peers.seen)}
	t.mu.Unlock()

	raw, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write known hosts: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write known hosts: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("write known hosts: %w", err)
		}
	}()
	_, err = tmp.Write(raw)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
