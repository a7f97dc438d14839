// Package sim runs the policy against recorded or made-up load, in virtual
// time, and measures what came of it.
//
// It holds three experiments. Balancing (World, with Daemons or a Baseline as
// its Controller) is the main one: a fleet under the load of a day, where each
// host runs the same Estimator, Decide, Admit and Ledger as the daemon, hears
// of the others late, and migrations take time and cost load. Consolidation
// (package file consolidate.go) follows CloudSim. Planning runs the Planner on
// a fleet at rest.
//
// A Recorder keeps what a picture of a run needs.
//
// Everything is deterministic by its inputs. Traces are data: none are in this
// repository, and ReadTraces says what a file of them looks like; Synthetic
// makes some up.
//
// It is not the place for judgement: what moves and where is decided in package
// policy, and the baselines here exist only to be compared with.
package sim
