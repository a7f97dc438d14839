// Package config is the configuration file of the daemon: TOML in, a typed and
// valid Config out.
//
// The way of a file: [Default], then a strict decode over it, then
// [Config.Validate]. One table, the method keys, says of every key what it is
// called, how it is written and whether it can change while the daemon runs;
// decoding, the suggestion for a misspelt key, [Reloadable] and the test of
// config.example.toml all read that table.
//
// Percent, MiB and CPUs are how people write quantities; they end here. Inside,
// a Config holds fractions, bytes and milli-CPUs.
//
// It is not the place where configuration takes effect: nothing is opened,
// resolved or listened on. Besides the configuration file only that of the
// gossip keys is read, by [Config.GossipKeys] and [ReadKeys]; certificates are
// the business of package peer.
//
// Invariant: a Config that [Load] or [Parse] returned without an error is
// valid.
// Invariant: no message contains key material.
package config
