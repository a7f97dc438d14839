// Package proc reads facts about a Linux host from the proc file system: CPU
// counters, memory, pressure stall information, the CPU's identity, the boot
// and the kernel.
//
// Every reader works below a root that the caller names ("/proc" by default),
// so a test, a container that has the host's proc mounted elsewhere, or a bug
// report can stand in for the machine.
//
// The package returns counters and sizes as the kernel gives them. It is not
// for rates, averages or judgements: those need two readings and a clock, and
// belong to whoever asks.
//
// Invariants:
//
//   - A file that cannot be understood is one *ParseError that names the file
//     and the line. Nothing is guessed from a damaged file.
//   - What the host does not offer (pressure without CONFIG_PSI) is
//     ErrNoData: neither zero nor a failure.
//   - Nothing here writes, starts a process, or keeps a goroutine.
package proc
