package grafana_test

// panel is one panel of the dashboard.
type panel struct {
	// Kind is Grafana's name of the panel; "row" begins a row.
	kind, title string
	// Description says what to make of it.
	description string
	unit        string
	width       int // of 24
	queries     []query
	// Max is the upper end of the axis, if not 0.
	max float64
	// Red is the value from which a number is shown in red, if not 0.
	red float64
	// Stacked draws areas on top of one another.
	stacked bool
}

type query struct {
	expr, legend string
}

const (
	fleet = `{job=~"$job"}`
	host  = `{job=~"$job",instance="$instance"}`
)

// panels are the dashboard, from left to right and top to bottom.
var panels = []panel{
	{kind: "row", title: "Fleet"},
	{
		kind: "stat", title: "Daemons up", width: 3, unit: "short", description: "Daemons that Prometheus reaches.",
		queries: []query{{`sum(up` + fleet + `)`, ""}},
	},
	{
		kind: "stat", title: "CPU in use", width: 3, unit: "percentunit", red: 0.8, description: "Of all CPUs of the fleet.",
		queries: []query{{`sum(job:virtbalance_host_used_cpus:sum` + fleet + `) / sum(job:virtbalance_host_capacity_cpus:sum` + fleet + `)`, ""}},
	},
	{
		kind: "stat", title: "Memory in use", width: 3, unit: "percentunit", red: 0.9, description: "Of all memory of the fleet, caches not counted.",
		queries: []query{{`sum(job:virtbalance_host_used_memory_bytes:sum` + fleet + `) / sum(job:virtbalance_host_capacity_memory_bytes:sum` + fleet + `)`, ""}},
	},
	{
		kind: "stat", title: "Fullest host", width: 3, unit: "percentunit", red: 0.8, description: "CPU of the host that uses the largest share.",
		queries: []query{{`max(job:virtbalance_host_utilization_ratio:max{job=~"$job",dimension="cpu"})`, ""}},
	},
	{
		kind: "stat", title: "Unevenness", width: 3, unit: "percentunit", description: "Standard deviation of the hosts' CPU utilization.",
		queries: []query{{`max(job:virtbalance_host_utilization_ratio:stddev{job=~"$job",dimension="cpu"})`, ""}},
	},
	{
		kind: "stat", title: "Overloaded, nothing can move", width: 3, unit: "short", red: 1, description: "Hosts for which the policy finds no move: add capacity.",
		queries: []query{{`sum(instance:virtbalance_no_room:bool` + fleet + `)`, ""}},
	},
	{
		kind: "stat", title: "Frozen", width: 3, unit: "short", red: 1, description: "Hosts at which a person must look.",
		queries: []query{{`sum(virtbalance_host_flag{job=~"$job",flag="frozen"})`, ""}},
	},
	{
		kind: "stat", title: "Moves in 24 h", width: 3, unit: "short", description: "Moves that succeeded.",
		queries: []query{{`sum(increase(virtbalance_moves_total{job=~"$job",result="succeeded"}[24h]))`, ""}},
	},
	{
		kind: "timeseries", title: "CPU by host", width: 12, unit: "percentunit", max: 1,
		description: "Hosts above the high mark give domains away, hosts below the receive mark take some.",
		queries: []query{
			{`virtbalance_host_utilization_ratio{job=~"$job",dimension="cpu"}`, "{{instance}}"},
			{`max by (mark) (virtbalance_host_mark_ratio{job=~"$job",mark=~"receive|high"})`, "mark {{mark}}"},
		},
	},
	{
		kind: "timeseries", title: "Memory by host", width: 12, unit: "percentunit", max: 1, description: "Use, caches not counted.",
		queries: []query{{`virtbalance_host_utilization_ratio{job=~"$job",dimension="memory"}`, "{{instance}}"}},
	},
	{
		kind: "timeseries", title: "Hosts by band", width: 8, unit: "short", stacked: true, description: "Where the hosts lie among their marks.",
		queries: []query{{`sum by (band) (virtbalance_host_band` + fleet + `)`, "{{band}}"}},
	},
	{
		kind: "timeseries", title: "Why nothing is begun", width: 8, unit: "short", stacked: true, description: "Hosts, by the reason for which they begin no move; ok where one is begun.",
		queries: []query{{`sum by (reason) (virtbalance_hold` + fleet + `) > 0`, "{{reason}}"}},
	},
	{
		kind: "timeseries", title: "Moves", width: 8, unit: "short", stacked: true, description: "Attempts that ended, by how.",
		queries: []query{{`sum by (result) (increase(virtbalance_moves_total` + fleet + `[$__rate_interval]))`, "{{result}}"}},
	},
	{
		kind: "timeseries", title: "Duration of migrations", width: 6, unit: "s", description: "Half and nine tenths of those of the last hour were done within this time.",
		queries: []query{
			{`histogram_quantile(0.5, sum by (le) (rate(virtbalance_move_duration_seconds_bucket` + fleet + `[1h])))`, "half"},
			{`histogram_quantile(0.9, sum by (le) (rate(virtbalance_move_duration_seconds_bucket` + fleet + `[1h])))`, "nine tenths"},
		},
	},
	{
		kind: "timeseries", title: "Duration against prediction", width: 6, unit: "short", description: "1 is as predicted, 2 took twice as long. Far from 1: set policy.bandwidth_mib to what migrations get.",
		queries: []query{{`histogram_quantile(0.5, sum by (le) (rate(virtbalance_move_duration_prediction_ratio_bucket` + fleet + `[1h])))`, "half"}},
	},
	{
		kind: "timeseries", title: "Guests stood still", width: 6, unit: "s", description: "At the switch-over.",
		queries: []query{{`histogram_quantile(0.9, sum by (le) (rate(virtbalance_move_downtime_seconds_bucket` + fleet + `[1h])))`, "nine tenths"}},
	},
	{
		kind: "timeseries", title: "Moves of domains moved before", width: 6, unit: "short", description: "Within their cooldown window, in the last six hours. Many are ping-pong.",
		queries: []query{{`sum(job:virtbalance_repeated_moves:increase6h` + fleet + `)`, "moves"}},
	},
	{
		kind: "timeseries", title: "Answers to requests for room", width: 8, unit: "reqps", stacked: true, description: "What targets said, ok being yes.",
		queries: []query{{`sum by (reason) (rate(virtbalance_reserve_answers_total` + fleet + `[$__rate_interval]))`, "{{reason}}"}},
	},
	{
		kind: "timeseries", title: "Members of the gossip", width: 8, unit: "short", description: "Apart for longer: the fleet is split.",
		queries: []query{
			{`max(virtbalanced_gossip_members` + fleet + `)`, "most"},
			{`min(virtbalanced_gossip_members` + fleet + `)`, "fewest"},
			{`max(virtbalance_fleet_stale_hosts` + fleet + `)`, "stale"},
		},
	},
	{
		kind: "timeseries", title: "Gossip", width: 8, unit: "Bps", description: "What a host sends.",
		queries: []query{{`sum by (instance) (rate(virtbalanced_gossip_packet_bytes_total{job=~"$job",direction="sent"}[$__rate_interval]))`, "{{instance}}"}},
	},

	{kind: "row", title: "Host $instance"},
	{
		kind: "timeseries", title: "CPU", width: 8, unit: "short", description: "In CPUs, with what is promised to domains that are on their way.",
		queries: []query{
			{`virtbalance_host_used_cpus` + host, "used"},
			{`virtbalance_host_promised_cpus` + host, "promised"},
			{`virtbalance_host_capacity_cpus` + host, "capacity"},
			{`virtbalance_host_mark_ratio{job=~"$job",instance="$instance",mark="high"} * on (job, instance) virtbalance_host_capacity_cpus`, "high mark"},
		},
	},
	{
		kind: "timeseries", title: "Memory", width: 8, unit: "bytes", description: "Use, caches not counted, and promises.",
		queries: []query{
			{`virtbalance_host_used_memory_bytes` + host, "used"},
			{`virtbalance_host_promised_memory_bytes` + host, "promised"},
			{`virtbalance_host_capacity_memory_bytes` + host, "capacity"},
		},
	},
	{
		kind: "timeseries", title: "Waiting for a CPU", width: 8, unit: "percentunit", description: "The host's pressure (PSI), and the ten domains that wait the most.",
		queries: []query{
			{`virtbalance_host_cpu_pressure_ratio` + host, "host"},
			{`topk(10, virtbalance_domain_cpu_wait_ratio` + host + `)`, "{{domain}}"},
		},
	},
	{
		kind: "timeseries", title: "CPU by domain", width: 12, unit: "short", stacked: true, description: "The fifteen that use the most.",
		queries: []query{{`topk(15, virtbalance_domain_used_cpus` + host + `)`, "{{domain}}"}},
	},
	{
		kind: "timeseries", title: "Why domains stay", width: 6, unit: "short", stacked: true, description: "Domains, by the reason of the last decision.",
		queries: []query{{`virtbalance_domains_staying` + host, "{{reason}}"}},
	},
	{
		kind: "timeseries", title: "Why nothing is begun here", width: 6, unit: "short", max: 1, description: "1 for the reason that holds.",
		queries: []query{{`virtbalance_hold` + host + ` == 1`, "{{reason}}"}},
	},
	{
		kind: "timeseries", title: "Running migration", width: 6, unit: "percentunit", max: 1, description: "Share of the memory sent.",
		queries: []query{{`virtbalance_migration_progress_ratio` + host, "sent"}},
	},
	{
		kind: "timeseries", title: "Does it converge?", width: 6, unit: "Bps", description: "A guest that writes faster than the migration sends does not come across.",
		queries: []query{
			{`virtbalance_migration_bandwidth_bytes_per_second` + host, "sent"},
			{`virtbalance_migration_dirty_bytes_per_second` + host, "written by the guest"},
		},
	},
	{
		kind: "timeseries", title: "Operations and promises", width: 6, unit: "short", description: "Moves out that are not closed, and promises to others, by phase.",
		queries: []query{
			{`virtbalance_open_operations` + host, "out: {{phase}}"},
			{`virtbalance_reservations` + host, "in: {{phase}}"},
		},
	},
	{
		kind: "timeseries", title: "Flags", width: 6, unit: "short", max: 1, description: "What the host tells the others of itself.",
		queries: []query{{`virtbalance_host_flag` + host, "{{flag}}"}},
	},
	{
		kind: "timeseries", title: "Samples", width: 6, unit: "s", description: "How long reading all counters takes, and how old the last complete sample is.",
		queries: []query{
			{`histogram_quantile(0.99, sum by (le) (rate(virtbalanced_sample_duration_seconds_bucket` + host + `[$__rate_interval])))`, "slowest of a hundred"},
			{`time() - virtbalanced_last_sample_timestamp_seconds` + host, "age"},
		},
	},
	{
		kind: "timeseries", title: "Daemon", width: 6, unit: "short", description: "libvirt reached, journal writable, calls that hang.",
		queries: []query{
			{`virtbalanced_libvirt_connected` + host, "libvirt"},
			{`virtbalanced_journal_writable` + host, "journal"},
			{`virtbalanced_libvirt_hung_calls` + host, "hung calls"},
		},
	},
	{
		kind: "timeseries", title: "Turned away", width: 6, unit: "reqps", description: "Connections of other daemons and gossip that were refused, by cause: a wrong key or certificate shows here.",
		queries: []query{
			{`rate(virtbalanced_peer_refused_total` + host + `[$__rate_interval])`, "peer: {{cause}}"},
			{`rate(virtbalanced_gossip_rejected_total` + host + `[$__rate_interval])`, "gossip: {{cause}}"},
		},
	},
	{
		kind: "timeseries", title: "What the daemon costs", width: 6, unit: "short", description: "In CPUs.",
		queries: []query{{`rate(process_cpu_seconds_total` + host + `[$__rate_interval])`, "CPUs"}},
	},
}
