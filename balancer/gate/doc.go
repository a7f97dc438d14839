// Package gate bounds what others can make a server hold and do: how many at
// once, how many per second, for each asker and in total; and how much of it
// gets into the log.
//
// It is not the place to decide who may ask what: an asker is a key here, an
// address, a host or a user.
//
// # Invariants
//
//   - Nothing waits at a gate: who is over an allowance is turned away at once.
//   - What an asker tries beyond its own allowance costs nobody else anything.
//   - The tables of askers are bounded.
package gate
