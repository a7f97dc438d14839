// Loadgen holds the CPU utilisation of a host within a band.
//
//	loadgen --min 40 --max 70
//
// See docs/loadgen.md for what it does and how well, and package loadgen for
// how.
package main
