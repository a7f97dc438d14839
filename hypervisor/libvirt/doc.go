// Package libvirt adapts a real libvirt to what the daemon needs of a
// hypervisor: counters, live migrations, and answers about single domains. It
// is the only package that uses cgo, and no libvirt type leaves it.
//
// It decides nothing. Which domain moves, where to and when is said by package
// policy; what an interrupted move came to is established by package balancer,
// which asks both hosts.
//
// # Connections
//
// Run keeps two connections up: one for the bulk reading of counters, one for
// everything else and for events. Each migration gets a third of its own,
// because a blocked call occupies one of the few places that libvirtd gives a
// client (max_client_requests is 5). When a connection breaks, or a call on it
// does not return in time, both are dropped and made anew, with growing pauses
// between attempts. libvirtd may start after the daemon and may be restarted
// at any time.
//
// A call into libvirt cannot be interrupted. Every one runs in a goroutine of
// its own (an OS thread, in truth) with a deadline; its caller goes on when
// the deadline or its context ends, and the call is counted until it returns.
// When too many never return, Run gives up with an error, so that the process
// is restarted: that loses nothing, because a peer-to-peer migration belongs
// to libvirtd and the journal knows of it.
//
// Domains are looked up by UUID for each use. No reference to one is kept.
//
// # Invariants
//
//   - Nothing here destroys, undefines, creates, defines, resumes, suspends,
//     resets, saves or shuts down a domain. A test reads the source for it.
//     The binding that is linked in contains such functions all the same, so
//     the source is the level at which this can be shown.
//   - A migration is never started with the flags UNSAFE, TUNNELLED or
//     NON_SHARED_DISK or NON_SHARED_INC, and never aborted in its post-copy
//     phase.
//   - The end of a context aborts nothing.
//   - Absence of an answer is Known == false or Unknown, never a result.
package libvirt
