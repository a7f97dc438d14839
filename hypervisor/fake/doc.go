// Package fake is a simulated hypervisor that works: a World of hosts and
// domains in which load competes for CPU, migrations take time and cost load,
// and things break by script. It has the methods of the real one for each host
// and is what virtbalanced runs on where there is no libvirt, and what cluster
// tests and the deterministic simulation run on.
//
// It is not for measuring absolute performance, and not a mock: nothing is
// expected of its callers, and every answer follows from the state of the
// world.
//
// # Time
//
// The state of a World is a pure function of what it was made from, of the
// calls made on it, and of time. It has no goroutine and no timer: every call
// first brings the state up to now, event by event. Two clocks exist:
//
//   - [NewLive] follows the time package, and so works inside testing/synctest,
//     whose bubbles replace that clock. A call that has to wait (Migrate, Watch,
//     any call while libvirt hangs) waits in the caller's goroutine.
//   - [New] stands still except for [World.Advance]. With [World.Begin] in place
//     of Migrate a single goroutine can drive everything; the same script then
//     gives the same bytes.
//
// # Load
//
// CPU is fluid: as long as demand fits the capacity everybody gets it, beyond
// that all demands (domains, migrations, the host's own work) are scaled down
// alike. What a domain lacks is its run-queue wait; what it did not get is
// lost, not done later. Demand is constant between events, in whole
// millicores, and counters are integrals kept without rounding: sampling more
// or less often changes no counter.
//
// # Migration
//
// Pre-copy in iterations: the first sends the memory, each next one what was
// dirtied meanwhile, until the rest fits the allowed downtime; then the guest
// stops on the source, and after the downtime runs on the target. Bandwidth is
// the smallest of the source's link divided by its outgoing migrations, the
// target's divided by its incoming ones, and the limit of the transfer. A guest
// that dirties faster than that goes on until somebody aborts.
//
// Invariant: at every instant a domain that was not shut down and whose host
// did not lose power runs on exactly one host, except for the downtime of a
// switch-over and where a [Fault] says otherwise. An observer counts the
// running instances after every event; see [World.Violations].
//
// # Worlds in files
//
// [Parse] reads a [Spec] from JSON; default.json is the one that is built in.
// Names become the same UUIDs everywhere ([HostID], [DomainID]). A migration
// URI names its target by host name or ID, whatever its scheme.
//
// # What it leaves out
//
// Post-copy, storage migration, and the time that an abort takes. Memory that
// is short does not kill anybody; it is a violation.
//
// There is no way to destroy, undefine, create, resume or reset a domain
// through a [Hypervisor].
package fake
