package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/balancer/access"
	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/policy"
)

// finding is the answer of one check of this host.
type finding struct {
	severity severity
	what     string
	// todo is what a person does about it.
	todo string
}

type severity string

const (
	fine    severity = "ok"
	warning severity = "WARN"
	fault   severity = "FAIL"
)

func good(format string, args ...any) finding {
	return finding{severity: fine, what: fmt.Sprintf(format, args...)}
}

func bad(err error, todo string) finding { return finding{fault, err.Error(), todo} }

// checkHost says whether this host is ready to balance, line by line, each fault
// with what to do. It changes nothing and may run beside the daemon. It reports
// whether there was no fault; warnings are none.
func checkHost(ctx context.Context, w io.Writer, d *daemon) bool {
	ready := true
	tell := func(name string, f finding) {
		fmt.Fprintf(w, "%-4s  %-18s %s\n", f.severity, name, f.what)
		if f.todo != "" {
			fmt.Fprintf(w, "%6s%-18s -> %s\n", "", "", f.todo)
		}
		ready = ready && f.severity != fault
	}
	cfg := d.config
	tell("configuration", good("%s, mode %s", d.path, cfg.Mode))
	tell("gossip keys", checkKeys(cfg))
	tell("certificates", checkCertificates(cfg, time.Now()))
	tell("state directory", checkStateDir(cfg.StateDir))
	if f, set := checkWebConfigs(cfg); set {
		tell("web configuration", f)
	}
	tell("clock", checkClock())
	if len(cfg.Gossip.Join) > 0 {
		tell("gossip.join", checkJoin(ctx, cfg.Gossip))
	}
	hypervisor, domains := d.checkHypervisor(ctx)
	tell("hypervisor", hypervisor)
	if hypervisor.severity == fine {
		tell("domains", domains)
	}
	if d.hypervisorURL == "libvirt" {
		tell("migration, libvirt", checkMigrateURI(ctx, cfg))
		tell("migration, ports", checkMigrationPorts())
	}
	return ready
}

func checkKeys(cfg config.Config) finding {
	if cfg.Gossip.Insecure {
		return finding{warning, "gossip.insecure is set: whoever reaches the port can take part", "make a key with virtbalance keygen, put it on every host, set gossip.insecure = false"}
	}
	keys, err := cfg.GossipKeys(os.Getenv)
	if err != nil {
		return bad(err, "")
	}
	return good("%d, the first of them encrypts", len(keys))
}

func checkCertificates(cfg config.Config, now time.Time) finding {
	if cfg.Peer.Insecure {
		return finding{warning, "peer.insecure is set: whoever reaches the port can ask for room in the name of any host", "give the hosts libvirt's TLS certificates and set peer.insecure = false"}
	}
	c, err := certificates(cfg.Peer, nil)
	if err != nil {
		return bad(err, "")
	}
	left := c.Expires().Sub(now)
	what := fmt.Sprintf("valid until %s, for %.0f days", c.Expires().UTC().Format(time.DateOnly), left.Hours()/24)
	if left < 30*24*time.Hour {
		return finding{warning, what, "have them issued again; virtbalanced takes new files by itself, systemd credentials at a restart"}
	}
	return finding{severity: fine, what: what}
}

func checkStateDir(dir string) finding {
	const todo = "without it nothing is moved: create it, owned by the user virtbalanced, mode 0700 (systemd does, by StateDirectory=)"
	probe, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return bad(err, todo)
	}
	_, err = probe.WriteString("virtbalanced --check\n")
	err = errors.Join(err, probe.Sync(), probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return bad(err, todo)
	}
	return good("%s can be written", filepath.Clean(dir))
}

func checkWebConfigs(cfg config.Config) (finding, bool) {
	set := false
	for key, path := range map[string]string{"api.web_config": cfg.API.WebConfig, "metrics.web_config": cfg.Metrics.WebConfig} {
		if path == "" {
			continue
		}
		set = true
		if _, err := access.WebDemands(path); err != nil {
			return bad(fmt.Errorf("%s: %w", key, err), "see the exporter toolkit's web configuration"), true
		}
	}
	return good("readable"), set
}

// checkClock asks the kernel whether something keeps the clock right. Decisions
// go by times of arrival, so a wrong clock moves nothing wrongly; cooldowns and
// histories that travel with domains are read on other hosts.
func checkClock() finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return finding{warning, "the kernel does not say whether the clock is synchronized: " + err.Error(), ""}
	}
	const timeError = 5 // TIME_ERROR of adjtimex(2)
	if state == timeError || t.Status&unix.STA_UNSYNC != 0 {
		return finding{warning, "not synchronized, says the kernel", "enable chrony or systemd-timesyncd"}
	}
	return good("synchronized")
}

// checkJoin tries the hosts that the cluster is found by.
func checkJoin(ctx context.Context, g config.Gossip) finding {
	var errs []error
	for _, j := range g.Join {
		address := j
		if _, _, err := net.SplitHostPort(j); err != nil {
			address = net.JoinHostPort(strings.Trim(j, "[]"), strconv.Itoa(int(g.Listen.Port())))
		}
		err := reach(ctx, address)
		if err == nil {
			return good("%s answers", address)
		}
		errs = append(errs, err)
	}
	return finding{
		warning, "no host of the list answers: " + strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; "),
		"fine if this is the first daemon; else open TCP and UDP of gossip.listen and TCP of peer.listen between the hosts",
	}
}

func reach(ctx context.Context, address string) error {
	dialer := net.Dialer{Timeout: 3 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// checkHypervisor asks the hypervisor for the host and its domains.
func (d *daemon) checkHypervisor(parent context.Context) (host, domains finding) {
	const todo = "is libvirtd (or virtqemud) running, and may this user use its socket? Try: virsh -c URI version"
	ctx, cancel := context.WithTimeout(parent, 15*time.Second)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	defer func() { cancel(); _ = g.Wait() }()
	d.observer = newObserver(false)
	h, err := d.openHypervisor(ctx, g)
	if err != nil {
		return bad(err, todo), finding{}
	}
	facts, err := h.Facts(ctx)
	for err != nil && ctx.Err() == nil {
		time.Sleep(200 * time.Millisecond)
		var again error
		if facts, again = h.Facts(ctx); again == nil || ctx.Err() == nil {
			err = again
		}
	}
	if err != nil {
		return bad(fmt.Errorf("%s: %w", d.config.Libvirt.URI, err), todo), finding{}
	}
	host = good("host %s, %s, %s; libvirt %s, QEMU %s, CPU %s", facts.ID, facts.Capacity.CPU, facts.Capacity.Memory,
		release(facts.LibvirtVersion), release(facts.HypervisorVersion), facts.CPUModel)
	return host, checkDomains(ctx, h)
}

// checkDomains names those that cannot move, for disks that are not shared for
// instance.
func checkDomains(ctx context.Context, h balancer.Hypervisor) finding {
	sample, err := h.Sample(ctx)
	for err == nil && uninspected(sample.Domains) && ctx.Err() == nil {
		time.Sleep(200 * time.Millisecond) // their definitions are read in the background
		sample, err = h.Sample(ctx)
	}
	if err != nil || !sample.DomainsKnown {
		return bad(errors.Join(errors.New("not listed"), err), "see the log of libvirtd")
	}
	var stay []string
	for _, s := range sample.Domains {
		if s.Obstacle != policy.OK {
			stay = append(stay, fmt.Sprintf("%s: %s", s.Name, s.Obstacle.Text()))
		}
	}
	what := fmt.Sprintf("%d of the %d that run here can move", len(sample.Domains)-len(stay), len(sample.Domains))
	if len(stay) == 0 {
		return finding{severity: fine, what: what}
	}
	return finding{warning, what + "; " + strings.Join(stay, "; "), "what stays does no harm; docs/preflight.md says what each needs"}
}

func uninspected(domains []policy.DomainCounters) bool {
	for _, d := range domains {
		if d.Obstacle == policy.NotInspected {
			return true
		}
	}
	return false
}

// checkMigrateURI tries the port at which the other hosts' libvirt will look for
// this one's.
func checkMigrateURI(ctx context.Context, cfg config.Config) finding {
	host := cfg.Libvirt.MigrationAddress
	if host == "" {
		host = cfg.Host.Name
	}
	if host == "" {
		host, _ = os.Hostname()
	}
	u, err := url.Parse(strings.ReplaceAll(cfg.Libvirt.MigrateURI, "{host}", host))
	if err != nil {
		return bad(err, "")
	}
	port := u.Port()
	_, transport, _ := strings.Cut(u.Scheme, "+")
	if port == "" {
		// https://libvirt.org/uri.html: the ports of its remote transports.
		port = map[string]string{"tls": "16514", "": "16514", "tcp": "16509", "ssh": "22", "libssh": "22", "libssh2": "22"}[transport]
	}
	if port == "" {
		return finding{warning, "the transport " + transport + " of libvirt.migrate_uri is not known here, so not tried", ""}
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if err := reach(ctx, address); err != nil {
		return bad(fmt.Errorf("%s: %w", u, err), "systemctl enable --now virtproxyd-tls.socket (or libvirtd-tls.socket); libvirt.migration_address must be a name or address of this host")
	}
	return good("%s answers", address)
}

// checkMigrationPorts looks at the ports that QEMU listens on for an incoming
// migration (migration_port_min and _max in qemu.conf).
func checkMigrationPorts() finding {
	const first, last, enough = 49152, 49215, 8
	free := 0
	for port := first; port <= last; port++ {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err == nil {
			free++
			_ = l.Close() // it was only tried
		}
	}
	what := fmt.Sprintf("%d of %d-%d are free here; whether a firewall lets them through is not seen from this side", free, first, last)
	if free < enough {
		return finding{warning, what, "see what listens there: ss -ltn"}
	}
	return finding{severity: fine, what: what}
}

// release writes libvirt's version numbers as people do.
func release(v uint32) string {
	return fmt.Sprintf("%d.%d.%d", v/1_000_000, v/1000%1000, v%1000)
}

// runCheck is the whole of virtbalanced --check.
func runCheck(ctx context.Context, cfg config.Config, path, hypervisor string, stdout io.Writer) int {
	d := &daemon{path: path, hypervisorURL: hypervisor, config: cfg, log: slog.New(slog.DiscardHandler)}
	if !checkHost(ctx, stdout, d) {
		return exitFailed
	}
	return exitOK
}
