package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/policy"
)

// delegate is what memberlist calls. All of it copies and hands over; nothing
// here may block or call memberlist.
type delegate struct{ *Gossip }

var (
	_ memberlist.Delegate         = delegate{}
	_ memberlist.EventDelegate    = delegate{}
	_ memberlist.AliveDelegate    = delegate{}
	_ memberlist.ConflictDelegate = delegate{}
	_ memberlist.PingDelegate     = delegate{}
)

// delegateProtocol is the version of the user data. It changes only when an old
// and a new daemon cannot understand each other, which appended fields and new
// message types never bring about.
const delegateProtocol = 1

// NodeMeta returns this host's facts.
func (d delegate) NodeMeta(limit int) []byte {
	meta := *d.meta.Load()
	if len(meta) > limit {
		return nil // cannot be: MetaMax is less than memberlist's limit
	}
	return meta
}

// NotifyMsg takes in a batch of digests from a packet.
func (d delegate) NotifyMsg(msg []byte) {
	// A packet holds 64 KiB; one that was made longer than that on its way here
	// is not from us, and reading it would hold up those behind it.
	const packetMax = 1 << 16
	if len(msg) > packetMax {
		d.count.reject(CauseGarbage)
		return
	}
	d.receive(msg, true)
}

// MergeRemoteState takes in the digests that another host knows. They have been
// flooded already, so they are not passed on.
func (d delegate) MergeRemoteState(state []byte, _ bool) { d.receive(state, false) }

func (d delegate) receive(batch []byte, relay bool) {
	now := time.Now()
	cause, ok := readBatch(batch, func(record []byte) {
		news, why, ok := d.table.accept(record, now)
		switch {
		case ok:
			d.count.accepted.Add(1)
			if relay {
				d.count.relayed.Add(1)
				d.queue.put(news)
			}
		case why == causeDuplicate:
			d.count.duplicates.Add(1)
		case why == CauseUnknownHost && d.isSelf(record):
			d.heardSelf(record)
		default:
			d.count.reject(why)
		}
	})
	if !ok {
		d.count.reject(cause)
	}
}

// GetBroadcasts fills the room that memberlist leaves in a packet.
func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	if batch := d.queue.take(limit-overhead, time.Now(), sends(int(d.pace.hosts.Load()), d.every())); batch != nil {
		return [][]byte{batch}
	}
	return nil
}

// LocalState returns all digests that this host knows, its own first.
func (d delegate) LocalState(bool) []byte {
	floods := d.table.floods()
	if own, ok := d.outbox.newest(d.table.selfKey); ok {
		floods = slices.Insert(floods, 0, own)
	}
	now := time.Now()
	batch := appendBatchHeader(make([]byte, 0, batchHeader+len(floods)*(recordOverhead+DigestMax)))
	for _, f := range floods {
		batch = f.append(batch, now)
	}
	return batch
}

// NotifyAlive keeps out hosts that cannot be members: with facts that cannot be
// read, of another protocol, or beyond the bound.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	id := policy.HostID(n.Name)
	if id == d.table.self {
		return nil
	}
	if n.DMin > delegateProtocol || n.DMax < delegateProtocol {
		d.count.reject(CauseBadMeta)
		return fmt.Errorf("speaks versions %d to %d, this host %d", n.DMin, n.DMax, delegateProtocol)
	}
	if _, err := readMeta(n); err != nil {
		d.count.reject(CauseBadMeta)
		return fmt.Errorf("facts: %w", err)
	}
	if why, err := d.table.admissible(id); err != nil {
		d.count.reject(why)
		return err
	}
	return nil
}

// NotifyJoin takes in a new member, or one that is back.
func (d delegate) NotifyJoin(n *memberlist.Node) { d.update(n) }

// NotifyUpdate takes in new facts.
func (d delegate) NotifyUpdate(n *memberlist.Node) { d.update(n) }

func (d delegate) update(n *memberlist.Node) {
	if policy.HostID(n.Name) == d.table.self {
		return
	}
	m, err := readMeta(n)
	if err != nil {
		return // NotifyAlive has counted and refused it
	}
	host, isNew := d.table.join(policy.HostID(n.Name), addrOf(n), m, time.Now())
	if isNew {
		d.announce(joined, host)
		d.outbox.again()
		wake(d.published)
	}
	d.size.Store(int64(d.table.size()))
}

// NotifyLeave drops a member that left or died.
func (d delegate) NotifyLeave(n *memberlist.Node) {
	if host, ok := d.table.leave(policy.HostID(n.Name)); ok {
		kind := lost
		if host.goodbye {
			kind = left
		}
		d.announce(kind, host)
	}
	d.size.Store(int64(d.table.size()))
}

// NotifyConflict notes two hosts under one ID. memberlist keeps the first.
func (d delegate) NotifyConflict(existing, _ *memberlist.Node) {
	d.count.reject(CauseConflict)
	if policy.HostID(existing.Name) == d.table.self {
		now := time.Now()
		d.conflictAt.Store(&now)
	}
}

// NotifyPingComplete notes that a host has answered: it is where it is said to be.
func (d delegate) NotifyPingComplete(n *memberlist.Node, _ time.Duration, _ []byte) {
	d.table.answered(policy.HostID(n.Name), time.Now())
}

// AckPayload says nothing more in an answer.
func (d delegate) AckPayload() []byte { return nil }

func readMeta(n *memberlist.Node) (meta, error) { return decodeMeta(n.Meta, addrOf(n).Addr()) }

func addrOf(n *memberlist.Node) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(n.Addr)
	return netip.AddrPortFrom(addr.Unmap(), n.Port)
}
