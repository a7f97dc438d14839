package config

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// LogFormat is the form of a log line.
type LogFormat string

// String is the format as the file writes it.
func (f LogFormat) String() string { return string(f) }

// The formats of a log line.
const (
	Text LogFormat = "text"
	JSON LogFormat = "json"
)

// Config is the configuration of one daemon. What each key does, in both
// directions, is told where the operator reads it: in config.example.toml.
type Config struct {
	Mode policy.Mode
	// StateDir holds the journal and the history.
	StateDir string
	// Record is whether what decisions rest on is kept there.
	Record    bool
	LogLevel  slog.Level
	LogFormat LogFormat

	Schedule Schedule
	Host     Host
	Libvirt  Libvirt
	Sampling Sampling
	// Preset is what Policy starts from.
	Preset policy.Preset
	Policy policy.Config
	// Shadow are keys of [policy], each KEY=VALUE, in which a second policy differs
	// that decides for comparison only.
	Shadow  []string
	Gossip  Gossip
	Peer    Peer
	API     API
	Metrics Metrics
}

// Host describes the hypervisor that the daemon runs on.
type Host struct {
	// Name is for people; empty means the system's host name. Hosts are told
	// apart by their UUID.
	Name string
	// CPUCapacity is what counts as all of the host's CPU; zero means all CPUs
	// that are online.
	CPUCapacity policy.MilliCPU
	Labels      []string
	// Proc is the root of the proc file system.
	Proc string
}

// Libvirt says how libvirt is reached and how it migrates.
type Libvirt struct {
	URI string
	// MigrateURI is the template of the URI at which the source's libvirt
	// reaches the target's; {host} stands for the target's migration address.
	MigrateURI string
	// MigrationAddress is this host's name or address in that template; empty
	// means the name of the host.
	MigrationAddress string

	AutoConverge bool
	PostCopy     bool
	// TLS encrypts the migration stream itself.
	TLS bool
	// Parallel is the number of connections of one migration; zero and one
	// mean a single one.
	Parallel int
	// Bandwidth caps a migration, per second; zero is unlimited.
	Bandwidth policy.Bytes
	// MaxDowntime is how long a guest may stand still at the switch-over; zero
	// leaves the hypervisor's default.
	MaxDowntime time.Duration

	// A migration is aborted after max(DeadlineMin, DeadlineFactor x its
	// predicted duration).
	DeadlineFactor float64
	DeadlineMin    time.Duration

	// MoveTransient allows moving domains without a persistent definition,
	// MovePinned those that are bound to CPUs or NUMA nodes.
	MoveTransient, MovePinned bool
	// AssumeSharedPaths are directories whose content is the same on every
	// host, whatever the file system says.
	AssumeSharedPaths []string
	// ManagedNamespaces are XML namespaces in a domain's metadata that mark the
	// property of another manager.
	ManagedNamespaces []string
	// CallTimeout is how long one call to libvirt may take.
	CallTimeout time.Duration
}

// Deadline returns how long a migration may take whose duration is predicted.
func (l Libvirt) Deadline(predicted time.Duration) time.Duration {
	return max(l.DeadlineMin, time.Duration(l.DeadlineFactor*float64(predicted)))
}

// Sampling is the pace at which the host is measured.
type Sampling struct {
	Interval time.Duration
	// TimeConstant is the smoothing of the load: the time after which a step
	// shows to 63 %.
	TimeConstant time.Duration
	// Horizon is how far ahead a trend is followed; Config.Horizon says what
	// Automatic means.
	Horizon time.Duration
}

// Automatic stands for a duration that follows from other keys.
const Automatic time.Duration = -1

// Horizon is how far ahead a trend is followed: by default to when a move that is
// decided upon now would help, which is the next sample and the migration of an
// ordinary guest. What longer ones bring is in docs/benchmarks.md.
func (c Config) Horizon() time.Duration {
	if c.Sampling.Horizon != Automatic {
		return c.Sampling.Horizon
	}
	const migration = 20 * time.Second
	return c.Sampling.Interval + min(migration, c.Sampling.Interval)
}

// Gossip is how hosts tell each other of their load.
type Gossip struct {
	// Listen is for TCP and UDP. Advertise is what others are told; its zero
	// value means an address of the host, with the port of Listen.
	Listen    netip.AddrPort
	Advertise netip.AddrPort
	// Join are hosts to find the cluster by, each a name or address with an
	// optional port.
	Join []string
	// Label keeps clusters apart that can reach each other.
	Label string
	// KeyFile holds the keys; empty means the places that GossipKeyFile names.
	KeyFile string
	// Insecure gossips in the clear, open to anyone who can reach the port.
	Insecure bool
}

// Peer is how daemons reserve room with each other.
type Peer struct {
	// Listen and Advertise are host:port; an empty Advertise means the address
	// that gossip tells, with the port of Listen.
	Listen    string
	Advertise string
	// The files are PEM. Without CRLFile nothing is revoked; the client's pair
	// is for hosts whose own certificate is for servers only.
	CAFile, CRLFile               string
	CertFile, KeyFile             string
	ClientCertFile, ClientKeyFile string
	// Insecure talks in the clear, with anyone.
	Insecure bool
	// Orders: obey what operators order through other hosts' daemons. Without,
	// a drain, cordon or move of this host has to be ordered on this host.
	Orders bool
	// ReserveTTL is how long a promise of room lives without being renewed.
	ReserveTTL time.Duration
}

// API is what the virtbalance command and the web page talk to.
type API struct {
	Socket string
	// ReadGroup may look, ChangeGroup may look and change; empty means nobody,
	// and the daemon's own group.
	ReadGroup, ChangeGroup string
	// Listen is host:port of a second listener, for reading; empty means none.
	Listen string
	// WebConfig is a file that demands TLS and authentication there, after which
	// changes are permitted too; empty means neither.
	WebConfig string
}

// Metrics is what Prometheus scrapes.
type Metrics struct {
	// Listen is host:port; empty means none.
	Listen string
	// WebConfig is a file that demands TLS and authentication there; empty means
	// neither.
	WebConfig string
	// Domains turns on the gauges that carry a domain's name.
	Domains bool
}

// The ports sit together below the range from which Linux draws ephemeral ports
// (32768 and up) and away from what else listens on hypervisors: libvirt
// (16509, 16514, 49152-49215), the libvirt exporter and its kin (9100-9999),
// Serf and Docker Swarm (7946), Consul (8300-8302), VNC and SPICE (5900 and up),
// Ceph OSDs (6800-7568), DRBD (7788 and up), corosync (5404-5412), cockpit and
// Prometheus (9090), SGI's cluster services (17001-17004), Dropbox (17500).
const (
	defaultGossipListen  = "0.0.0.0:17450"
	defaultPeerListen    = "0.0.0.0:17451"
	defaultMetricsListen = "0.0.0.0:17452"
	// The page names domains and asks nobody who they are: not for the network
	// unless somebody says so.
	defaultAPIListen = "127.0.0.1:17453"
)

// defaultPolicy is that of the policy package, with what only a live daemon can
// do, and with what is for fleets of few hosts.
func defaultPolicy() policy.Config {
	p := policy.DefaultConfig()
	p.Swaps = true
	p.ReturnWindow = 2 * time.Hour
	return p
}

// Default returns the defaults. They depend on nothing but this function.
func Default() Config {
	return Config{
		Mode:      policy.DryRunMode,
		StateDir:  "/var/lib/virtbalanced",
		LogLevel:  slog.LevelInfo,
		LogFormat: Text,
		Schedule:  Schedule{Timezone: "Local"},
		Host:      Host{Proc: "/proc"},
		Libvirt: Libvirt{
			URI:            "qemu:///system",
			MigrateURI:     "qemu+tls://{host}/system",
			AutoConverge:   true,
			DeadlineFactor: 3,
			DeadlineMin:    60 * time.Second,
			CallTimeout:    10 * time.Second,
		},
		Sampling: Sampling{Interval: 20 * time.Second, TimeConstant: 40 * time.Second, Horizon: Automatic},
		Preset:   policy.NormalPreset,
		Policy:   defaultPolicy(),
		Gossip:   Gossip{Listen: netip.MustParseAddrPort(defaultGossipListen), Label: "virtbalance"},
		Peer: Peer{
			Listen:         defaultPeerListen,
			CAFile:         "/etc/pki/CA/cacert.pem",
			CRLFile:        "/etc/pki/CA/cacrl.pem",
			CertFile:       "/etc/pki/libvirt/servercert.pem",
			KeyFile:        "/etc/pki/libvirt/private/serverkey.pem",
			ClientCertFile: "/etc/pki/libvirt/clientcert.pem",
			ClientKeyFile:  "/etc/pki/libvirt/private/clientkey.pem",
			Orders:         true,
			ReserveTTL:     30 * time.Second,
		},
		API:     API{Socket: "/run/virtbalanced/api.sock", Listen: defaultAPIListen},
		Metrics: Metrics{Listen: defaultMetricsListen, Domains: true},
	}
}
