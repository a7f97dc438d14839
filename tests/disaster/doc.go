// Package disaster runs whole clusters of daemons through random disasters in
// virtual time, in one goroutine, from one seed.
//
// Every host has what decides in the real daemon: balancer.Core, the state
// machine of package operation, the journal with its real encoding, the memory,
// the vigil over a migration. Only what touches the world is replaced: the
// hypervisor by a stepped fake.World, the network by messages that are delayed,
// lost, repeated and cut off, the disk by one that fills up and forgets what was
// not synced, the clock by one for each host that may be wrong. Daemons crash
// between any action and its answer, in the middle of a sync and right after it.
//
// After every event the invariants of docs/reliability.md are checked,
// against the world and not against what the daemons believe. The same seed
// gives the same trace, byte for byte.
//
// It is not for measuring, and says nothing about the shell (package balancer's
// goroutines, real sockets, libvirt): the tests of fleets and in the lab do.
package disaster
