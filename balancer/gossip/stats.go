package gossip

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Cause is why something that arrived was not used.
type Cause uint8

// The causes.
const (
	// CauseGarbage: bytes that are no message of this program.
	CauseGarbage Cause = iota
	// CauseUnknownType: a message of a type that a newer version may know.
	CauseUnknownType
	// CauseUnknownHost: a digest of a host that is no member here (yet).
	CauseUnknownHost
	// CauseOtherEpoch: a digest of another life of the host than its meta tells.
	CauseOtherEpoch
	// CauseAbsurd: a digest with values that the host cannot have.
	CauseAbsurd
	// CauseWildSequence: a digest numbered further ahead than time allows.
	CauseWildSequence
	// CauseImpersonation: a digest of this host that this host did not send.
	CauseImpersonation
	// CauseBadMeta: a host whose facts cannot be read.
	CauseBadMeta
	// CauseTooManyHosts: a host beyond Options.MaxHosts.
	CauseTooManyHosts
	// CauseConflict: a second host under the ID or the key of a first.
	CauseConflict
	// CauseOtherKey: a packet or stream that none of the keys opens.
	CauseOtherKey
	// CauseOtherLabel: a packet or stream of another cluster.
	CauseOtherLabel
	// CauseOverflow: a message dropped because too many waited.
	CauseOverflow
	// CauseStreams: a stream beyond what one address, or all together, may open.
	CauseStreams

	causes // how many there are
)

var causeNames = [causes]string{
	"garbage", "unknown_type", "unknown_host", "other_epoch", "absurd", "wild_sequence", "impersonation",
	"bad_meta", "too_many_hosts", "conflict", "other_key", "other_label", "overflow", "streams",
}

// String names the cause as the metric label does.
func (c Cause) String() string {
	if c < causes {
		return causeNames[c]
	}
	return fmt.Sprintf("cause(%d)", uint8(c))
}

// Causes returns every cause.
func Causes() []Cause {
	all := make([]Cause, causes)
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}

// Stats is a snapshot of the counters, which count from the start.
type Stats struct {
	// Members counts the hosts that are members now, this one included; Known
	// those of the last day.
	Members, Known int
	// Interval is the present time between two digests of this host.
	Interval time.Duration
	// Queued counts the digests that wait to be passed on.
	Queued int
	// Health is memberlist's own score of how well this host keeps up: 0 is
	// well, more is slower.
	Health int

	// Sent counts the digests of this host, Early those among them that a
	// change of band or flags sent before their time.
	Sent, Early uint64
	// Direct counts the digests that were sent to single hosts, because the
	// flood had no room for them.
	Direct uint64
	// Accepted counts the digests that were news, Duplicates those that were
	// not, Relayed those that were passed on.
	Accepted, Duplicates, Relayed uint64
	// Rejected counts what was not used.
	Rejected map[Cause]uint64

	// JoinAttempts and JoinFailures count exchanges with hosts that were looked
	// for: join entries, and hosts that were lost.
	JoinAttempts, JoinFailures uint64

	// The traffic, without the headers of UDP, TCP and IP.
	PacketsSent, PacketsReceived         uint64
	PacketBytesSent, PacketBytesReceived uint64
	StreamBytesSent, StreamBytesReceived uint64
}

// counters are what Stats copies.
type counters struct {
	sent, early, direct, accepted, duplicates, relayed atomic.Uint64
	joinAttempts, joinFailures                         atomic.Uint64
	rejected                                           [causes]atomic.Uint64

	packetsSent, packetsReceived         atomic.Uint64
	packetBytesSent, packetBytesReceived atomic.Uint64
	streamBytesSent, streamBytesReceived atomic.Uint64
}

func (c *counters) reject(why Cause) { c.rejected[why].Add(1) }

func (c *counters) snapshot() Stats {
	s := Stats{
		Sent: c.sent.Load(), Early: c.early.Load(), Direct: c.direct.Load(),
		Accepted: c.accepted.Load(), Duplicates: c.duplicates.Load(), Relayed: c.relayed.Load(),
		JoinAttempts: c.joinAttempts.Load(), JoinFailures: c.joinFailures.Load(),
		PacketsSent: c.packetsSent.Load(), PacketsReceived: c.packetsReceived.Load(),
		PacketBytesSent: c.packetBytesSent.Load(), PacketBytesReceived: c.packetBytesReceived.Load(),
		StreamBytesSent: c.streamBytesSent.Load(), StreamBytesReceived: c.streamBytesReceived.Load(),
		Rejected: make(map[Cause]uint64, causes),
	}
	for i := range c.rejected {
		s.Rejected[Cause(i)] = c.rejected[i].Load()
	}
	return s
}
