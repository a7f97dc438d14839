package config

import (
	"log/slog"
	"slices"

	"github.com/virtbalance/virtbalance/policy"
)

// key is one key of the file, bound to its place in a Config.
type key struct {
	// name is dotted, as "policy.high".
	name string
	value
	// live marks what can change while the daemon runs.
	live bool
}

// keys is the table of all keys, in the order of config.example.toml.
func (c *Config) keys() []key {
	l, p := &c.Libvirt, &c.Policy
	return []key{
		{"mode", choice(&c.Mode, policy.DryRunMode, policy.ApproveMode, policy.AutoMode), true},
		{"state_dir", text(&c.StateDir), false},
		{"record", boolean(&c.Record), true},
		{"log_level", choice(&c.LogLevel, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError), true},
		{"log_format", choice(&c.LogFormat, Text, JSON), false},

		{"schedule.timezone", text(&c.Schedule.Timezone), true},
		{"schedule.windows", list(&c.Schedule.Windows), true},
		{"schedule.blackouts", list(&c.Schedule.Blackouts), true},

		{"host.name", text(&c.Host.Name), false},
		{"host.cpu_capacity", cpus(&c.Host.CPUCapacity), false},
		{"host.labels", list(&c.Host.Labels), true},
		{"host.proc", text(&c.Host.Proc), false},

		{"libvirt.uri", text(&l.URI), false},
		{"libvirt.migrate_uri", text(&l.MigrateURI), false},
		{"libvirt.migration_address", text(&l.MigrationAddress), false},
		{"libvirt.auto_converge", boolean(&l.AutoConverge), false},
		{"libvirt.post_copy", boolean(&l.PostCopy), false},
		{"libvirt.tls", boolean(&l.TLS), false},
		{"libvirt.parallel", count(&l.Parallel), false},
		{"libvirt.bandwidth_mib", mebibytes(&l.Bandwidth), false},
		{"libvirt.max_downtime", duration(&l.MaxDowntime), false},
		{"libvirt.deadline_factor", number(&l.DeadlineFactor), false},
		{"libvirt.deadline_min", duration(&l.DeadlineMin), false},
		{"libvirt.move_transient", boolean(&l.MoveTransient), false},
		{"libvirt.move_pinned", boolean(&l.MovePinned), false},
		{"libvirt.assume_shared_paths", list(&l.AssumeSharedPaths), false},
		{"libvirt.managed_namespaces", list(&l.ManagedNamespaces), false},
		{"libvirt.call_timeout", duration(&l.CallTimeout), false},

		{"sampling.interval", duration(&c.Sampling.Interval), true},
		{"sampling.time_constant", duration(&c.Sampling.TimeConstant), true},
		{"sampling.horizon", automatic(&c.Sampling.Horizon), true},

		{"policy.preset", choice(&c.Preset, policy.ConservativePreset, policy.NormalPreset, policy.AggressivePreset), true},
		{"policy.low", percent(&p.Marks.Low), true},
		{"policy.receive", percent(&p.Marks.Receive), true},
		{"policy.stop", percent(&p.Marks.Stop), true},
		{"policy.high", percent(&p.Marks.High), true},
		{"policy.critical", percent(&p.Marks.Critical), true},
		{"policy.memory_receive", percent(&p.MemoryReceive), true},
		{"policy.reserve_cpu", percent(&p.Reserve.CPU), true},
		{"policy.reserve_memory", percent(&p.Reserve.Memory), true},
		{"policy.samples_over", count(&p.SamplesOver), true},
		{"policy.samples_window", count(&p.SamplesWindow), true},
		{"policy.detector", choice(&p.Detector, policy.Detectors()...), true},
		{"policy.detector_safety", number(&p.DetectorSafety), true},
		{"policy.wait_high", percent(&p.WaitHigh), true},
		{"policy.strategy", choice(&p.Strategy, policy.Strategies()...), true},
		{"policy.strategy_group", text(&p.Group), true},
		{"policy.spare", count(&p.Spare), true},
		{"policy.swaps", boolean(&p.Swaps), true},
		{"policy.min_gain", percent(&p.MinGain), true},
		{"policy.cooldown", duration(&p.Cooldown), true},
		{"policy.cooldown_max", duration(&p.CooldownMax), true},
		{"policy.cooldown_window", duration(&p.CooldownWindow), true},
		{"policy.return_window", duration(&p.ReturnWindow), true},
		{"policy.audit_soon", duration(&p.AuditSoon), true},
		{"policy.audit_late", duration(&p.AuditLate), true},
		{"policy.settle", duration(&p.Settle), true},
		{"policy.max_inbound", count(&p.MaxInbound), true},
		{"policy.max_outbound", count(&p.MaxOutbound), true},
		{"policy.stale_after", duration(&p.StaleAfter), true},
		{"policy.quorum", percent(&p.Quorum), true},
		{"policy.refused_backoff", duration(&p.RefusedBackoff), true},
		{"policy.failed_backoff", duration(&p.FailedBackoff), true},
		{"policy.quarantine_failures", count(&p.QuarantineFailures), true},
		{"policy.quarantine", duration(&p.QuarantineTime), true},
		{"policy.quarantine_window", duration(&p.QuarantineWindow), true},
		{"policy.breaker_failures", count(&p.BreakerFailures), true},
		{"policy.breaker_reset", duration(&p.BreakerReset), true},
		{"policy.bandwidth_mib", mebibytes(&p.Bandwidth), true},
		{"policy.max_moves", count(&p.MaxMoves), true},
		{"policy.shadow", list(&c.Shadow), true},

		{"gossip.listen", endpoint(&c.Gossip.Listen), false},
		{"gossip.advertise", endpoint(&c.Gossip.Advertise), false},
		{"gossip.join", list(&c.Gossip.Join), false},
		{"gossip.label", text(&c.Gossip.Label), false},
		{"gossip.key_file", text(&c.Gossip.KeyFile), true},
		{"gossip.insecure", boolean(&c.Gossip.Insecure), false},

		{"peer.listen", text(&c.Peer.Listen), false},
		{"peer.advertise", text(&c.Peer.Advertise), false},
		{"peer.ca_file", text(&c.Peer.CAFile), false},
		{"peer.crl_file", text(&c.Peer.CRLFile), false},
		{"peer.cert_file", text(&c.Peer.CertFile), false},
		{"peer.key_file", text(&c.Peer.KeyFile), false},
		{"peer.client_cert_file", text(&c.Peer.ClientCertFile), false},
		{"peer.client_key_file", text(&c.Peer.ClientKeyFile), false},
		{"peer.insecure", boolean(&c.Peer.Insecure), false},
		{"peer.orders", boolean(&c.Peer.Orders), false},
		{"peer.reserve_ttl", duration(&c.Peer.ReserveTTL), true},

		{"api.socket", text(&c.API.Socket), false},
		{"api.read_group", text(&c.API.ReadGroup), false},
		{"api.change_group", text(&c.API.ChangeGroup), false},
		{"api.listen", text(&c.API.Listen), false},
		{"api.web_config", text(&c.API.WebConfig), false},

		{"metrics.listen", text(&c.Metrics.Listen), false},
		{"metrics.web_config", text(&c.Metrics.WebConfig), false},
		{"metrics.domains", boolean(&c.Metrics.Domains), false},
	}
}

// Change is one key whose value differs between two configurations. The values
// are written as in the file.
type Change struct{ Key, Old, New string }

// Reloadable compares the running configuration with a new one. The first
// answer is what can change while the daemon runs, the second what takes effect
// only after a restart. Both are in the order of config.example.toml.
//
// Files that a key names (keys, certificates) can change without the key: the
// caller reads them again at every reload.
func Reloadable(running, next Config) (changes, needRestart []Change) {
	was := running.keys()
	for i, k := range next.keys() {
		c := Change{Key: k.name, Old: show(was[i].get()), New: show(k.get())}
		switch {
		case c.Old == c.New:
		case k.live:
			changes = append(changes, c)
		default:
			needRestart = append(needRestart, c)
		}
	}
	return changes, needRestart
}

// Live returns the running configuration with everything from next that can
// change while the daemon runs. The result need not be valid where a relation
// spans both kinds of keys: the caller validates it.
func Live(running, next Config) Config {
	merged := next
	was := running.keys()
	for i, k := range merged.keys() {
		if !k.live {
			_ = k.set(was[i].get()) // what get returns, set takes
		}
	}
	return merged
}

// sections are the tables of the file, in the order of the keys.
func sections(keys []key) []string {
	var names []string
	for _, k := range keys {
		if s, _ := cutName(k.name); s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return names
}
