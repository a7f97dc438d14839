// Package gossip tells the daemons of a fleet of each other's hosts, over
// hashicorp/memberlist. It satisfies balancer.Cluster.
//
// Two kinds of data travel, and neither grows with the number of domains:
//
//   - Facts, which change when a host is reinstalled, rebooted or reconfigured,
//     ride in memberlist's node meta (at most MetaMax bytes).
//   - A digest of the host's state (at most DigestMax bytes) is flooded every
//     max(2 s, N/100 s) for N hosts, at once when the band or the flags change.
//     A receiver keeps the newest and passes it on once.
//
// The pace is not a matter of taste. memberlist sends three packets of 1400
// bytes every 200 ms whatever the size of the cluster; 100 digests a second in
// the whole fleet is what fits, and more are lost without a word. Everything
// bigger than a digest is asked of a few hosts directly, by package peer.
//
// The package is not for decisions, and nothing that it delivers is authority:
// whoever holds the key can say anything, so what arrives is checked for sense,
// bounded, and used as a hint. The target of a move decides about its own room.
//
// Invariants:
//
//   - Nothing that a peer sends makes this package panic, block or grow without
//     bound. What is not used is counted by its Cause.
//   - The age of a state is told by this host's clock and by the waiting times
//     that the relaying hosts added up, never by the sender's clock.
//   - A callback of memberlist copies and returns: it takes only this package's
//     own short locks and calls nothing in memberlist (hashicorp/memberlist#23
//     and #237 are what happens otherwise).
//   - A partition heals however long it lasted: memberlist alone forgets hosts
//     that it has not reached for 30 s; the maintainer here joins them again.
package gossip
