// Package policy decides which domain a hypervisor should give away, to which
// host, and when to leave everything as it is.
//
// It is pure: a decision is a value computed from values. There is no clock,
// no file, no socket, no goroutine and no logger in here; time is View.Now and
// chance is seeded by the view. So the daemon, the dry run, the simulator and
// the tests run the same code, and the same input gives the same answer, byte
// for byte. It is not the place for gathering facts or for acting on them:
// package balancer does both.
//
// # Model
//
// A Host has a capacity and a use, in CPU and memory, which are never added
// up. A Domain has a demand. A View is all that one host knows at an instant:
// itself and its domains exactly, the others by what they last told of
// themselves. State is what the policy remembers from one decision to the next.
//
// Marks divide the CPU of a host. Above High for long enough, it gives domains
// away until it is below Stop; it takes domains in only up to Receive. What
// lies between Receive and Stop does neither: that gap is why the domain that
// relieved one host does not overload the next.
//
// # Stages
//
// Decide goes through these, each in the file of that name:
//
//	estimate  counters become smoothed load                        Estimator
//	detect    is this host overloaded, and has it been for long?   Config.detect
//	gate      is the view good enough to act upon at all?          Config.gate
//	select    which domain gives most relief per second of moving? Config.candidates
//	place     which host takes it? one of those that can, at random Config.place
//	admit     the target's own answer, by the same rule            Config.Admit
//
// Whatever stays where it is has a Verdict saying why.
//
// # Invariants
//
//   - The same input gives the same decision, in whatever order hosts and
//     domains come.
//   - No move raises the highest predicted load of its two hosts.
//   - On a target, used and promised load with the domain added stay within the
//     receive limits, the memory the guest may grow to included.
//   - No domain moves within its cooldown, save that an operator drains its host.
//   - Constant load comes to rest: after finitely many moves there are none.
//   - One domain that cannot be moved never spoils the decision about others.
//   - Every domain that stays has a reason.
//
// # Example
//
// This is a scenario of package policytest, and a test runs it from here. Host
// a has ten CPUs and uses nine. After four samples above the high mark of 80 %
// it seeks relief. The batch domain would bring it below the stop mark of 75 %
// and has a quarter of the memory of db, so it moves four times as fast; cache
// would relieve it too little, and gpu holds a device. Of the other hosts, full
// would pass its receive mark of 64 %, so batch goes to idle.
//
//	host a self cpu=10 mem=64 used=9
//	host full cpu=10 mem=64 used=5
//	host idle cpu=10 mem=64 used=1
//	vm batch cpu=2 mem=4
//	vm db cpu=2 mem=16
//	vm cache cpu=0.05 mem=2
//	vm gpu cpu=2 mem=4 obstacle=passthrough
//	sample 90 90 90
//	----
//	hold sustaining
//
//	sample 90
//	----
//	hold ok
//	move batch a -> idle overload: 90.0% -> 70.0%, 10.0% -> 30.0%
//	stay cache too_small
//	stay db not_needed
//	stay gpu passthrough
//
//	finish succeeded
//	apply
//	decide
//	----
//	hold settling
package policy
