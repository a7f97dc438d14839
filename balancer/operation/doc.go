// Package operation is the protocol of one move, as a state machine that does
// nothing by itself: an event goes in, the operation and the next action come
// out.
//
//	New --described--> Intent --granted--> Reserved --rechecked--> Started
//	                     |                    |                      |
//	                     | refused            | no longer            | ended, located on
//	                     v                    v                      v both hosts
//	                   Failed               Failed       Done | Failed | Aborted | Unknown
//
// Whoever drives it performs the actions; Step keeps one rule: a change of phase
// is written to the journal and synced before the action that comes with it is
// performed. So after a crash the journal names everything that may have
// happened, and First goes on from there by looking, not by guessing.
//
// Invariant: no event but Located, with positive knowledge of both hosts,
// closes an operation that has been Started.
//
// Invariant: Unknown asks and waits; it never acts.
package operation
