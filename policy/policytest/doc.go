// Package policytest runs scenarios: readable files that set a stage for the
// policy, let it decide, and say what it must answer.
//
// A scenario opens with its story in comment lines. Then come commands, one a
// line; commands that answer are followed by a line of dashes and the expected
// answer, up to an empty line:
//
//	# A hot host with one cool neighbour.
//	host a self cpu=10 mem=64 used=9
//	host b cpu=10 mem=64 used=2
//	vm web cpu=3 mem=4
//	sample 90 90 90 90
//	----
//	hold ok
//	move web a -> b overload: 90.0% -> 60.0%, 20.0% -> 50.0%
//
// The commands:
//
//	config KEY=VALUE...    change the default configuration (see Runner.config)
//	host NAME [self] ...   add or replace a host: cpu, used (CPUs), mem, mem-used (GiB),
//	                       promised, promised-mem, in, out, age, flags, labels,
//	                       affinity, anti-affinity (groups, once for each member)
//	vm NAME ...            add or replace a domain of self: cpu, mem, max (GiB),
//	                       vcpus, wait (percent), moved (age), count, from, obstacle,
//	                       requires (labels), priority, mode, unknown, and groups:
//	                       affinity, anti-affinity, soft-affinity, soft-anti-affinity
//	gone NAME              remove a host or a domain
//	conditions ...         mode=, known=, paused, frozen, journal-unwritable
//	promise DOMAIN TO ...  put a reservation in the ledger: cpu, mem, phase, groups
//	wait DURATION          let time pass; hosts stay as fresh as they were
//	sample PERCENT...      samples of self, each 20 s after the one before; answers the last decision
//	decide                 decide once more on the same view
//	apply                  take the decision's first move as done
//	finish RESULT [REASON] tell the policy how the first move ended
//	refused REASON         tell the policy that the target refused it
//	explain DOMAIN HOST    ask why a domain would or would not go to a host
//	ask DOMAIN FROM ...    ask self for room, as the target: cpu, mem, why, back, back-mem
//	admit DOMAIN FROM ...  ask self, as the target: cpu, mem, requires, groups, joins
//
// Names serve as IDs. The package is for tests only.
package policytest
