package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faults collects what is wrong.
type faults []error

func (f *faults) when(bad bool, format string, args ...any) {
	if bad {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

// Validate returns every fault at once, each naming the key, its value and what
// would be right. It looks at the values alone, never at files or the network.
func (c Config) Validate() error {
	var f faults
	for _, k := range c.keys() {
		// A Config need not come from a file.
		if err := k.set(k.get()); err != nil {
			f.when(true, "%s %w", k.name, err)
		}
	}
	f.when(!filepath.IsAbs(c.StateDir), "state_dir (%q) must be an absolute path", c.StateDir)
	c.Schedule.compile(&f)
	c.Host.validate(&f)
	c.Libvirt.validate(&f)
	c.Sampling.validate(&f)
	if err := c.Policy.Validate(); err != nil {
		f = append(f, split(err)...)
	}
	f.when(c.Policy.StaleAfter < 2*c.Sampling.Interval,
		"policy.stale_after (%s) must be at least twice sampling.interval (%s), or one late sample stops everything",
		shortDuration(c.Policy.StaleAfter), shortDuration(c.Sampling.Interval))
	if _, err := c.ShadowPolicy(); err != nil {
		f = append(f, split(err)...)
	}
	c.Gossip.validate(&f)
	c.Peer.validate(&f)
	c.API.validate(&f)
	address(&f, "metrics.listen", c.Metrics.Listen, optional)
	webConfig(&f, "metrics.web_config", c.Metrics.WebConfig)
	c.validatePorts(&f)
	return errors.Join(f...)
}

func (h Host) validate(f *faults) {
	f.when(len(h.Name) > 64 || strings.ContainsAny(h.Name, " \t\r\n"),
		"host.name (%q) must be at most 64 bytes without white space", h.Name)
	f.when(h.CPUCapacity < 0, "host.cpu_capacity (%g) must not be negative; 0 means all CPUs", float64(h.CPUCapacity)/1000)
	f.when(!filepath.IsAbs(h.Proc), "host.proc (%q) must be an absolute path", h.Proc)

	const most = 32
	f.when(len(h.Labels) > most, "host.labels (%d labels) must be at most %d", len(h.Labels), most)
	word := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/=-]{0,61}[A-Za-z0-9])?$`)
	for i, l := range h.Labels {
		f.when(!word.MatchString(l), "host.labels (%q) must be 1 to 63 letters, digits or any of . _ / = - inside", l)
		f.when(slices.Contains(h.Labels[:i], l), "host.labels (%q) must not occur twice", l)
	}
}

func (l Libvirt) validate(f *faults) {
	_, err := url.Parse(l.URI)
	f.when(l.URI == "" || err != nil || !strings.Contains(l.URI, ":"), `libvirt.uri (%q) must be a libvirt URI such as "qemu:///system"`, l.URI)
	u, err := url.Parse(strings.ReplaceAll(l.MigrateURI, "{host}", "host.example"))
	f.when(strings.Count(l.MigrateURI, "{host}") != 1 || err != nil || u.Hostname() != "host.example",
		`libvirt.migrate_uri (%q) must be a libvirt URI with {host} for the target, such as "qemu+tls://{host}/system"`, l.MigrateURI)
	f.when(strings.ContainsAny(l.MigrationAddress, "/ \t\r\n{}"),
		"libvirt.migration_address (%q) must be a name or an address, without a port", l.MigrationAddress)

	f.when(l.Parallel < 0 || l.Parallel > 255, "libvirt.parallel (%d) must be within 0..255", l.Parallel)
	f.when(l.Bandwidth < 0, "libvirt.bandwidth_mib (%d) must not be negative; 0 is unlimited", l.Bandwidth>>20)
	f.when(l.MaxDowntime < 0 || l.MaxDowntime > 2000*time.Second || l.MaxDowntime%time.Millisecond != 0,
		"libvirt.max_downtime (%s) must be whole milliseconds within 0s..2000s, the limit of QEMU; 0s leaves the hypervisor's default", l.MaxDowntime)
	f.when(!(l.DeadlineFactor >= 1 && l.DeadlineFactor <= 100), "libvirt.deadline_factor (%g) must be within 1..100", l.DeadlineFactor)
	f.when(l.DeadlineMin < time.Second, "libvirt.deadline_min (%s) must be at least 1s", shortDuration(l.DeadlineMin))
	f.when(l.CallTimeout < time.Second || l.CallTimeout > 10*time.Minute,
		"libvirt.call_timeout (%s) must be within 1s..10m", shortDuration(l.CallTimeout))
	for _, p := range l.AssumeSharedPaths {
		f.when(!filepath.IsAbs(p) || filepath.Clean(p) != p || p == "/",
			"libvirt.assume_shared_paths (%q) must be absolute paths of directories, without a slash at the end", p)
	}
}

func (s Sampling) validate(f *faults) {
	f.when(s.Interval < time.Second || s.Interval > 10*time.Minute,
		"sampling.interval (%s) must be within 1s..10m", shortDuration(s.Interval))
	f.when(s.TimeConstant <= 0 || s.TimeConstant > time.Hour,
		"sampling.time_constant (%s) must be positive and at most 1h", shortDuration(s.TimeConstant))
	f.when(s.Horizon != Automatic && (s.Horizon < 0 || s.Horizon > time.Hour),
		"sampling.horizon (%s) must be within 0s..1h, or \"auto\"", shortDuration(s.Horizon))
}

func (g Gossip) validate(f *faults) {
	f.when(!g.Listen.IsValid(), `gossip.listen ("") must not be empty; "0.0.0.0:17450" is every address of the host`)
	f.when(g.Advertise.IsValid() && (g.Advertise.Addr().IsUnspecified() || g.Advertise.Port() == 0),
		"gossip.advertise (%q) must be an address at which other hosts reach this one", g.Advertise)
	for _, j := range g.Join {
		f.when(!joinable(j), `gossip.join (%q) must be names or addresses with or without a port, such as "hv2.example" or "10.0.0.2:17450"`, j)
	}
	f.when(g.Label == "" || len(g.Label) > 64 || strings.ContainsAny(g.Label, " \t\r\n"),
		"gossip.label (%q) must be 1 to 64 bytes without white space", g.Label)
	f.when(g.Insecure && g.KeyFile != "",
		"gossip.insecure (true) must not be set together with gossip.key_file (%q): gossip is either encrypted or not", g.KeyFile)
	f.when(g.KeyFile != "" && !filepath.IsAbs(g.KeyFile), "gossip.key_file (%q) must be an absolute path", g.KeyFile)
}

func (p Peer) validate(f *faults) {
	address(f, "peer.listen", p.Listen, required)
	address(f, "peer.advertise", p.Advertise, optional|reachable)
	for _, file := range []struct {
		key, path string
		optional  bool
	}{
		{"ca_file", p.CAFile, p.Insecure},
		{"crl_file", p.CRLFile, true},
		{"cert_file", p.CertFile, p.Insecure},
		{"key_file", p.KeyFile, p.Insecure},
		{"client_cert_file", p.ClientCertFile, true},
		{"client_key_file", p.ClientKeyFile, true},
	} {
		f.when(!filepath.IsAbs(file.path) && !(file.optional && file.path == ""),
			"peer.%s (%q) must be an absolute path", file.key, file.path)
	}
	f.when((p.ClientCertFile == "") != (p.ClientKeyFile == ""),
		"peer.client_cert_file (%q) and peer.client_key_file (%q) must be set together", p.ClientCertFile, p.ClientKeyFile)
	f.when(p.ReserveTTL < 5*time.Second || p.ReserveTTL > 10*time.Minute,
		"peer.reserve_ttl (%s) must be within 5s..10m", shortDuration(p.ReserveTTL))
}

func (a API) validate(f *faults) {
	// sun_path holds 108 bytes, the last of them zero (unix(7)).
	f.when(!filepath.IsAbs(a.Socket) || len(a.Socket) > 107, "api.socket (%q) must be an absolute path of at most 107 bytes", a.Socket)
	address(f, "api.listen", a.Listen, optional)
	webConfig(f, "api.web_config", a.WebConfig)
	f.when(a.WebConfig != "" && a.Listen == "", "api.web_config (%q) must not be set without api.listen: the socket asks the kernel who is there", a.WebConfig)
}

func webConfig(f *faults, key, path string) {
	f.when(path != "" && !filepath.IsAbs(path), "%s (%q) must be an absolute path", key, path)
}

// validatePorts finds two listeners on one port.
func (c Config) validatePorts(f *faults) {
	type listener struct{ key, address string }
	all := []listener{
		{"gossip.listen", c.Gossip.Listen.String()},
		{"peer.listen", c.Peer.Listen},
		{"api.listen", c.API.Listen},
		{"metrics.listen", c.Metrics.Listen},
	}
	for i, a := range all {
		for _, b := range all[:i] {
			f.when(overlap(a.address, b.address), "%s (%q) must differ from %s (%q)", a.key, a.address, b.key, b.address)
		}
	}
}

// overlap reports whether two listeners would want the same port.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	every := func(host string) bool {
		ip := net.ParseIP(host)
		return host == "" || ip != nil && ip.IsUnspecified()
	}
	return hostA == hostB || every(hostA) || every(hostB)
}

type addressRule uint8

const (
	required addressRule = 0
	optional addressRule = 1 << iota
	// reachable addresses are told to others: no wildcard, no port 0.
	reachable
)

// address checks host:port.
func address(f *faults, key, value string, rule addressRule) {
	if value == "" && rule&optional != 0 {
		return
	}
	host, port, err := net.SplitHostPort(value)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		f.when(true, `%s (%q) must be host:port, such as "0.0.0.0:17450" or "[::]:17450"`, key, value)
		return
	}
	ip := net.ParseIP(host)
	f.when(rule&reachable != 0 && (host == "" || n == 0 || ip != nil && ip.IsUnspecified()),
		"%s (%q) must be an address at which other hosts reach this one", key, value)
}

// joinable reports whether s is a name or an address, with or without a port.
func joinable(s string) bool {
	if s == "" || strings.ContainsAny(s, " \t\r\n/@") {
		return false
	}
	if net.ParseIP(s) != nil || !strings.Contains(s, ":") {
		return true
	}
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	return err == nil && perr == nil && host != "" && n > 0
}

// split takes an errors.Join apart.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
