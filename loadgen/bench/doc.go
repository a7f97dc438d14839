// Bench judges loadgen, and other load generators that are installed, on this
// machine: how fast they reach a band, how well they hold it, and whom they
// disturb. It needs root and takes some minutes.
//
// # A world of its own
//
// A benchmark of utilisation on a machine that does other things measures the
// other things. So the tool under test and the work that disturbs it on
// purpose live in one control group, the world, and the tool sees a stat file
// (in a mount namespace of its own) in which only the world runs: busy time is
// the exact CPU time of the group, idle time is the rest. Neighbours can then
// disturb a run only by taking the CPU away, against which the world has a
// higher weight. The judge measures the group's clock, not the stat file.
//
// A run in which the judge itself was kept waiting for more than half a second
// is marked, and is to be thrown away.
package main
