package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/policy"
)

// The defaults of Options.
const (
	// DefaultPort is what a join entry without a port means. Why this one is
	// told in package config, which has the same.
	DefaultPort = 17450

	DefaultInterval = 2 * time.Second
	DefaultMaxHosts = 5000
	DefaultExpiry   = 24 * time.Hour
)

// Options say how a host takes part in the gossip.
type Options struct {
	// Self describes this host. Its ID is the name under which the others know
	// it: stable, unique, in lower case. An empty host in Endpoint.Peer
	// (":17451") and an empty Endpoint.Migration mean the address that the host
	// gossips from.
	Self policy.HostFacts

	// Listen is the address for packets and streams (UDP and TCP).
	Listen netip.AddrPort
	// Advertise is what the others are told to send to. Its zero value means
	// Listen, or, if that is a wildcard, the address from which this host
	// reaches the first entry of Join. A port of 0 means the port of Listen.
	Advertise netip.AddrPort

	// Join are hosts of the cluster, host or host:port. They are looked up anew
	// at every attempt, and attempts never end; one that answers is enough.
	Join []string

	// Label names the cluster. Clusters of different labels never merge.
	Label string
	// Keys are AES keys of 16, 24 or 32 bytes. The first encrypts; all decrypt.
	Keys [][]byte
	// Insecure permits an empty Keys: whoever reaches the port may then speak
	// and listen.
	Insecure bool

	// PeersFile keeps the addresses of hosts once seen over a restart. Empty
	// means that they are kept in memory only.
	PeersFile string

	// Interval is the shortest time between two digests of this host; at more
	// than 100 × Interval/s hosts the fleet's size stretches it. Shorter shows
	// load sooner and costs bandwidth; default 2 s.
	Interval time.Duration
	// MaxHosts bounds the hosts that are accepted, so that a faulty peer cannot
	// invent hosts until memory ends; default 5000.
	MaxHosts int
	// Expiry is how long a host that is gone counts as known and is looked for;
	// default 24 h.
	Expiry time.Duration

	// Logger receives what an operator should know, and memberlist's own log at
	// debug level. Default: nowhere.
	Logger *slog.Logger

	// Transport replaces the network, in tests. Listen is then only a name.
	Transport memberlist.Transport
	// Resolve looks up the addresses of a name in Join; default the system's
	// resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// withDefaults returns the options with every default filled in.
func (o Options) withDefaults() Options {
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.MaxHosts == 0 {
		o.MaxHosts = DefaultMaxHosts
	}
	if o.Expiry == 0 {
		o.Expiry = DefaultExpiry
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return o
}

// validate returns every fault at once, each with the key of the configuration
// file that sets the value.
func (o Options) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if err := checkHostID(o.Self.ID); err != nil {
		fault("host ID %q: %w", o.Self.ID, err)
	}
	if _, err := encodeMeta(o.Self, 0); err != nil {
		faults = append(faults, err)
	}
	if !o.Listen.IsValid() {
		fault(`gossip.listen: an address and port is needed, as in "10.0.0.1:%d"`, DefaultPort)
	}
	if a := o.Advertise; a.IsValid() && a.Addr().IsUnspecified() {
		fault(`gossip.advertise (%s): the others need the address of this host, not a wildcard`, a)
	}
	if o.Label == "" || len(o.Label) > memberlist.LabelMaxSize {
		fault("gossip.label (%q): 1 to %d bytes are needed, the same on every host of the cluster", o.Label, memberlist.LabelMaxSize)
	}
	if len(o.Keys) == 0 && !o.Insecure {
		fault("gossip: no key; make one with \"virtbalance keygen\" and name its file in gossip.key_file, or set gossip.insecure = true to let anyone who reaches the port take part")
	}
	faults = append(faults, checkKeys(o.Keys))
	for _, j := range o.Join {
		if _, _, err := splitJoin(j); err != nil {
			fault("gossip.join (%q): %w", j, err)
		}
	}
	if o.Interval < 100*time.Millisecond || o.Interval > time.Minute {
		fault("gossip.interval (%s): must lie between 100ms and 1m", o.Interval)
	}
	if o.MaxHosts < 1 {
		fault("gossip.max_hosts (%d): must be at least 1", o.MaxHosts)
	}
	if o.Expiry < time.Minute {
		fault("gossip.expiry (%s): must be at least 1m", o.Expiry)
	}
	return errors.Join(faults...)
}

// checkHostID accepts what can be a memberlist node name, a file name and a
// metric label without quoting. A UUID in lower case is what libvirt gives.
func checkHostID(id policy.HostID) error {
	const longest = 64
	if id == "" || len(id) > longest {
		return fmt.Errorf("must have 1 to %d characters", longest)
	}
	if i := strings.IndexFunc(string(id), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}); i >= 0 {
		return errors.New("may only hold a-z, 0-9, '-', '_' and '.'")
	}
	return nil
}
