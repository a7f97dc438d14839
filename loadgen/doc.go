// Package loadgen holds a host's CPU utilisation within a band by adding load
// of its own: it fills up what the rest of the host leaves below the band, and
// gets out of the way of everything else.
//
// It is for demonstrations and tests of a balancer. It is not a benchmark and
// not a burn-in tool: its threads do no useful work and try hard not to delay
// anybody's.
//
// # The loop
//
//	Sensor -> Snapshot -> Controller.Step -> threads and duty -> pool of workers
//
// A [Snapshot] holds three clocks of CPU time: what the host had, what of it
// was busy, and what this process used. The last is known exactly, so
//
//	background = busy - own
//	own load   = aim - background
//
// is a feed-forward law without a gain: there is nothing to tune, on any
// machine. The background is the only thing to estimate, and the estimator
// ([background]) is a mean over everything since the last change that the
// clocks can prove. What the host owes (load asked for but not delivered,
// because others wanted the CPU) is integrated and asked for again.
//
// The actuator has two stages, as the script that this tool replaces had one:
// a number of operating system threads, changed rarely and straight to the
// number needed, and the share of each 20 ms period in which a thread burns.
// A thread measures what it burns on its own CPU clock, so its duty means CPU
// time on every machine and under contention, and needs no calibration.
//
// # Invariants
//
//   - The Controller reads no clock and no file; equal snapshots give equal
//     output.
//   - Own load never exceeds what the law asks for the background last proved;
//     a sensor that stalls or contradicts itself ramps it to zero within 2 s.
//   - Work that wants the CPU gets it: when the rest of the host reaches the
//     aim, no worker thread is left.
//   - Nothing is left behind: when Run returns, its threads are gone and what
//     it lowered is restored.
package loadgen
