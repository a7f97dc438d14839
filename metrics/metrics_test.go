package metrics

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/virtbalance/virtbalance/policy"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// everything registers all that there is and lets it all happen once.
func everything(t *testing.T) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewRegistry()
	NewBuildInfo(r, "1.2.3")
	self := policy.Host{
		HostFacts: policy.HostFacts{ID: "a", Capacity: policy.Load{CPU: 16000, Memory: 64 * policy.GiB}},
		HostState: policy.HostState{
			Used: policy.Load{CPU: 12000, Memory: 32 * policy.GiB}, Promised: policy.Load{CPU: 1000},
			Band: policy.BandHold, Flags: policy.Cordoned, Inbound: 1, Running: 3,
		},
		Received: noon,
	}
	NewHost(r).Observe(self, policy.DefaultConfig().Marks)
	NewDomains(r).Observe([]policy.Domain{{Name: "web", Known: true, Demand: policy.Load{CPU: 1500, Memory: policy.GiB}, MemoryMax: 2 * policy.GiB}})
	NewDecisions(r).Observe(policy.Decision{At: noon, Hold: policy.NoFeasibleHost, Verdicts: []policy.Verdict{
		{Domain: "1", Reason: policy.NoFeasibleHost},
		{Domain: "1", Host: "b", Reason: policy.HostMemory},
		{Domain: "2", Reason: policy.CoolingDown},
	}})
	v := NewMoves(r)
	move := policy.Move{Duration: 10 * time.Second}
	v.Phase("op", "started")
	v.Begun(move)
	v.Progress(policy.Progress{Total: policy.GiB, Processed: policy.GiB / 4})
	v.Ended("op", move, policy.Outcome{
		Result: policy.Succeeded, Reason: policy.Completed, Duration: 12 * time.Second,
		Downtime: 80 * time.Millisecond, Transferred: policy.GiB,
	}, noon)
	v.Repeated()
	res := NewReservations(r)
	res.Observe(policy.Ledger{{Op: "x", To: "a", Phase: policy.Migrating}, {Op: "y", To: "b"}}, "a")
	res.Answered(policy.HostMemory)
	f := NewFleet(r)
	f.Observe([]policy.Host{self}, noon, time.Minute)
	f.Room(policy.Headroom{Size: policy.Load{CPU: 1000}, Domains: 3, Survives: true})
	s := NewSampling(r)
	s.Observe(3*time.Millisecond, nil, noon)
	s.Observe(3*time.Millisecond, errors.New("libvirt is down"), noon)
	j := NewJournal(r)
	j.Written(nil)
	j.Written(errors.New("no space"))
	j.Open(2)
	NewGossip(r, func() GossipFigures { return GossipFigures{Members: 3, Rejected: map[string]uint64{"garbage": 4}} })
	NewLibvirt(r, func() LibvirtFigures { return LibvirtFigures{Connected: true, OverdueCalls: 2} })
	NewAccess(r, func() AccessFigures { return AccessFigures{"socket": {"requests": 5}} })
	NewPeer(r, func() PeerFigures { return PeerFigures{Refused: map[string]uint64{"identity": 1}} })
	return r
}

func TestLint(t *testing.T) {
	r := everything(t)
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The prefixes and labels are an interface: dashboards and alerts hang on them.
func TestNamesAndLabels(t *testing.T) {
	families, err := everything(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{
		"dimension", "band", "mark", "flag", "direction", "hold", "scope", "reason", "result", "phase", "cause", "disagreement",
		"after", "effect", "listener",
		"version", "revision", "goversion",
	}
	name := regexp.MustCompile(`^virtbalanced?_[a-z_]+$`)
	for _, f := range families {
		if !name.MatchString(f.GetName()) {
			t.Errorf("%s: the prefix is neither virtbalance_ nor virtbalanced_", f.GetName())
		}
		if help := f.GetHelp(); !strings.HasSuffix(help, ".") {
			t.Errorf("%s: the help %q is no sentence", f.GetName(), help)
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				isDomain := l.GetName() == "domain" && strings.HasPrefix(f.GetName(), "virtbalance_domain_") && m.GetGauge() != nil
				if !isDomain && !slices.Contains(allowed, l.GetName()) {
					t.Errorf("%s: label %s", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestValues(t *testing.T) {
	r := everything(t)
	want := `
# TYPE virtbalance_domains_staying gauge
# HELP virtbalance_domains_staying Domains of this host that stay, by why, in the last decision.
virtbalance_domains_staying{reason="cooling_down"} 1
virtbalance_domains_staying{reason="no_feasible_host"} 1
# HELP virtbalance_host_committed_ratio Use and promises of the host as a share of its capacity.
# TYPE virtbalance_host_committed_ratio gauge
virtbalance_host_committed_ratio{dimension="cpu"} 0.8125
virtbalance_host_committed_ratio{dimension="memory"} 0.5
# HELP virtbalance_domain_used_cpus Smoothed use of CPU by the domain, its emulator included.
# TYPE virtbalance_domain_used_cpus gauge
virtbalance_domain_used_cpus{domain="web"} 1.5
# HELP virtbalance_last_decision_timestamp_seconds When the last decision was made.
# TYPE virtbalance_last_decision_timestamp_seconds gauge
virtbalance_last_decision_timestamp_seconds 1.7723664e+09
# HELP virtbalance_moves_total Attempts to move a domain away from this host, by how they ended.
# TYPE virtbalance_moves_total counter
virtbalance_moves_total{reason="completed",result="succeeded"} 1
virtbalance_moves_total{reason="deadline_exceeded",result="aborted"} 0
virtbalance_moves_total{reason="libvirt_error",result="failed"} 0
virtbalance_moves_total{reason="not_located",result="unknown"} 0
# HELP virtbalance_reservations Promises that this host has given and that live, by phase.
# TYPE virtbalance_reservations gauge
virtbalance_reservations{phase="migrating"} 1
virtbalance_reservations{phase="reserved"} 0
virtbalance_reservations{phase="settling"} 0
# HELP virtbalance_verdicts_total Reasons for not moving a domain (scope domain) or not to a host (scope host), once for each decision.
# TYPE virtbalance_verdicts_total counter
virtbalance_verdicts_total{reason="cooling_down",scope="domain"} 1
virtbalance_verdicts_total{reason="host_memory",scope="host"} 1
virtbalance_verdicts_total{reason="no_feasible_host",scope="domain"} 1
# HELP virtbalanced_access_refused_total Connections and requests that the socket, the page and the metrics listener turned away, by cause.
# TYPE virtbalanced_access_refused_total counter
virtbalanced_access_refused_total{cause="requests",listener="socket"} 5
# HELP virtbalanced_gossip_rejected_total What arrived and was not used, by cause.
# TYPE virtbalanced_gossip_rejected_total counter
virtbalanced_gossip_rejected_total{cause="garbage"} 4
# HELP virtbalanced_journal_write_errors_total Attempts that failed.
# TYPE virtbalanced_journal_write_errors_total counter
virtbalanced_journal_write_errors_total 1
# HELP virtbalanced_sample_errors_total Samples of which a part could not be read.
# TYPE virtbalanced_sample_errors_total counter
virtbalanced_sample_errors_total 1
`
	err := testutil.GatherAndCompare(r, strings.NewReader(want),
		"virtbalance_domains_staying", "virtbalance_host_committed_ratio", "virtbalance_domain_used_cpus",
		"virtbalance_last_decision_timestamp_seconds", "virtbalance_moves_total", "virtbalance_reservations",
		"virtbalance_verdicts_total", "virtbalanced_gossip_rejected_total", "virtbalanced_journal_write_errors_total",
		"virtbalanced_sample_errors_total", "virtbalanced_access_refused_total")
	if err != nil {
		t.Error(err)
	}
}

// value returns the one series of a family that has the label value, or the
// only one there is.
func value(t *testing.T, r *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || m.GetLabel()[0].GetValue() == label {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no series %s %s", name, label)
	return 0
}

func TestHoldIsOneOfMany(t *testing.T) {
	r := prometheus.NewRegistry()
	d := NewDecisions(r)
	for _, hold := range []policy.Reason{policy.NotOverloaded, policy.Sustaining, policy.OK, policy.HostMemory, policy.DryRun} {
		d.Observe(policy.Decision{At: noon, Hold: hold})
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var set []string
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "virtbalance_hold" && m.GetGauge().GetValue() == 1 {
					set = append(set, m.GetLabel()[0].GetValue())
				}
			}
		}
		if !slices.Equal(set, []string{hold.String()}) {
			t.Errorf("held by %s, exported %v", hold, set)
		}
	}
}

// A reason that no longer keeps a domain falls to 0.
func TestStayingFalls(t *testing.T) {
	r := prometheus.NewRegistry()
	d := NewDecisions(r)
	d.Observe(policy.Decision{Verdicts: []policy.Verdict{{Domain: "1", Reason: policy.CoolingDown}}})
	d.Observe(policy.Decision{Verdicts: []policy.Verdict{{Domain: "1", Reason: policy.TooSmall}}})
	if a, b := value(t, r, "virtbalance_domains_staying", "cooling_down"), value(t, r, "virtbalance_domains_staying", "too_small"); a != 0 || b != 1 {
		t.Errorf("cooling_down %v, too_small %v", a, b)
	}
}

func TestBlindHostHasNoLoad(t *testing.T) {
	r := prometheus.NewRegistry()
	NewHost(r).Observe(policy.Host{HostState: policy.HostState{Flags: policy.Blind}}, policy.Marks{})
	if v := value(t, r, "virtbalance_host_utilization_ratio", "cpu"); !math.IsNaN(v) {
		t.Errorf("utilization %v", v)
	}
	if v := value(t, r, "virtbalance_host_flag", "blind"); v != 1 {
		t.Errorf("flag %v", v)
	}
}

func TestOperationsLeaveTheirPhase(t *testing.T) {
	r := prometheus.NewRegistry()
	v := NewMoves(r)
	v.Phase("1", "intent")
	v.Phase("2", "intent")
	v.Phase("1", "started")
	v.Progress(policy.Progress{Total: 4, Processed: 1})
	if got := value(t, r, "virtbalance_migration_progress_ratio", ""); got != .25 {
		t.Errorf("progress %v", got)
	}
	v.Ended("2", policy.Move{}, policy.Outcome{Result: policy.Failed, Reason: policy.HostMemory}, noon)
	v.Ended("1", policy.Move{}, policy.Outcome{Result: policy.Unknown, Reason: policy.NotLocated}, noon)
	for _, phase := range []string{"intent", "started"} {
		if n := value(t, r, "virtbalance_open_operations", phase); n != 0 {
			t.Errorf("%v left in %s", n, phase)
		}
	}
	if got := value(t, r, "virtbalance_migration_progress_ratio", ""); !math.IsNaN(got) {
		t.Errorf("progress %v after the end", got)
	}
	if got := value(t, r, "virtbalance_last_move_timestamp_seconds", ""); got != 0 {
		t.Errorf("a move that did not succeed set the time %v", got)
	}
}

func TestFleetRoom(t *testing.T) {
	r := prometheus.NewRegistry()
	f := NewFleet(r)
	f.Room(policy.Headroom{Size: policy.Load{CPU: 1000}, Domains: 3, Survives: true})
	if room, survives := value(t, r, "virtbalance_fleet_room_domains", ""), value(t, r, "virtbalance_fleet_survives_host_loss", ""); room != 3 || survives != 1 {
		t.Errorf("room %v, survives %v", room, survives)
	}
	f.Room(policy.Headroom{})
	if room, survives := value(t, r, "virtbalance_fleet_room_domains", ""), value(t, r, "virtbalance_fleet_survives_host_loss", ""); !math.IsNaN(room) || survives != 0 {
		t.Errorf("room %v of no size, survives %v", room, survives)
	}
}

// The name of a domain is the operator's: odd ones must not spoil the scrape.
func TestOddDomains(t *testing.T) {
	r := prometheus.NewRegistry()
	d := NewDomains(r)
	d.Observe([]policy.Domain{{Name: "a\xff"}, {Name: "twice"}, {Name: "twice", Known: true}, {Name: ""}})
	n, err := testutil.GatherAndCount(r)
	if err != nil {
		t.Fatal(err)
	}
	if n != 3 {
		t.Errorf("%d series, want the memory limit of 3 domains", n)
	}
	d.Observe(nil)
	if n, err := testutil.GatherAndCount(r); n != 0 || err != nil {
		t.Errorf("%d series of domains that are gone, %v", n, err)
	}
}

func TestFleetSpread(t *testing.T) {
	host := func(cpu policy.MilliCPU, age time.Duration) policy.Host {
		return policy.Host{
			HostFacts: policy.HostFacts{Capacity: policy.Load{CPU: 1000}},
			HostState: policy.HostState{Used: policy.Load{CPU: cpu}},
			Received:  noon.Add(-age),
		}
	}
	r := prometheus.NewRegistry()
	f := NewFleet(r)
	f.Observe([]policy.Host{host(200, 0), host(600, time.Second), host(1000, time.Hour)}, noon, time.Minute)
	for name, want := range map[string]float64{
		"virtbalance_fleet_fresh_hosts":                    2,
		"virtbalance_fleet_stale_hosts":                    1,
		"virtbalance_fleet_cpu_utilization_mean_ratio":     .4,
		"virtbalance_fleet_cpu_utilization_stddev_ratio":   .2,
		"virtbalance_fleet_oldest_state_timestamp_seconds": float64(noon.Add(-time.Hour).Unix()),
	} {
		if got := value(t, r, name, ""); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	f.Observe(nil, noon, time.Minute)
	if got := value(t, r, "virtbalance_fleet_cpu_utilization_mean_ratio", ""); !math.IsNaN(got) {
		t.Errorf("mean of no hosts %v", got)
	}
}
