// Package stage puts virtbalanced on several hosts, real ones of a lab or
// simulated ones, for demonstrations and end-to-end tests: built from this
// tree, configured to act within seconds, and asked over its API.
package stage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
)

// Settings are what tests vary of the configuration. The zero value of each
// field is the default that is given with it.
type Settings struct {
	Mode         string        // "auto"
	Interval     time.Duration // 1 s
	TimeConstant time.Duration // 2 s
	// Over of Window samples above the high mark are an overload.
	Over, Window int           // 4 of 6
	Settle       time.Duration // 5 s
	Cooldown     time.Duration // 30 min
	// ReturnWindow keeps a domain from the host that it came from. Tests bring
	// guests back by hand, to have them moved again.
	ReturnWindow time.Duration // none
	// RefusedBackoff keeps a domain from a host that refused it.
	RefusedBackoff time.Duration // 5 s
	// Policy is more TOML for the section [policy], Libvirt for [libvirt], Peer
	// for [peer].
	Policy, Libvirt, Peer string
	// World is the simulated one, of the hosts SimHosts; nil is World.
	World []byte
}

func (s Settings) withDefaults() Settings {
	set(&s.Mode, "auto")
	set(&s.Interval, time.Second)
	set(&s.TimeConstant, 2*time.Second)
	set(&s.Over, 4)
	set(&s.Window, 6)
	set(&s.Settle, 5*time.Second)
	set(&s.Cooldown, 30*time.Minute)
	set(&s.RefusedBackoff, 5*time.Second)
	return s
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Hold is how long a load must last before it is acted upon.
func (s Settings) Hold() time.Duration {
	s = s.withDefaults()
	return time.Duration(s.Over) * s.Interval
}

// Every is the time between two samples.
func (s Settings) Every() time.Duration { return s.withDefaults().Interval }

// Samples is how many of the last samples are looked back on.
func (s Settings) Samples() int { return s.withDefaults().Window }

// Daemon is a virtbalanced on one host.
type Daemon struct {
	// Host is the name of the host, Dir where the daemon's files are, Metrics and
	// Page the host:port of its metrics and of its web page as seen by the host
	// itself.
	Host, Dir, Metrics, Page string
	Client                   *api.Client

	config  string
	start   func(name string, args ...string) (process, error)
	args    []string
	process process
	earlier strings.Builder // what earlier lives have logged
}

// process is what a lab's and an ordinary process have in common.
type process interface {
	Signal(sig syscall.Signal) error
	Kill(ctx context.Context) error
	Done() <-chan struct{}
	Text() string
}

// Start starts the daemon and waits until it balances.
func (d *Daemon) Start(ctx context.Context) error {
	if err := d.Launch(); err != nil {
		return err
	}
	return d.WaitReady(ctx)
}

// Launch starts the daemon and does not wait. Variables, each NAME=value, are
// added to its environment, for this life only.
func (d *Daemon) Launch(variables ...string) error {
	args := d.args
	if len(variables) > 0 {
		args = slices.Concat([]string{"env"}, variables, d.args)
	}
	if d.process != nil {
		d.earlier.WriteString(d.process.Text())
	}
	p, err := d.start("virtbalanced", args...)
	if err != nil {
		return fmt.Errorf("start virtbalanced on %s: %w", d.Host, err)
	}
	d.process = p
	return nil
}

// WaitReady waits until the daemon answers with the status of its host.
func (d *Daemon) WaitReady(ctx context.Context) error {
	for {
		_, err := d.Client.Status(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("virtbalanced on %s: %w\n%s", d.Host, err, d.process.Text())
		case <-d.process.Done():
			return fmt.Errorf("virtbalanced on %s has ended:\n%s", d.Host, d.process.Text())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends the daemon by SIGKILL.
func (d *Daemon) Kill(ctx context.Context) error { return d.process.Kill(ctx) }

// Signal sends the daemon a signal.
func (d *Daemon) Signal(sig syscall.Signal) error { return d.process.Signal(sig) }

// Done is closed when the daemon has ended.
func (d *Daemon) Done() <-chan struct{} { return d.process.Done() }

// Log returns what this life of the daemon has logged.
func (d *Daemon) Log() string { return d.process.Text() }

// LogOfAllLives returns what this life and those before it have logged.
func (d *Daemon) LogOfAllLives() string { return d.earlier.String() + d.process.Text() }

// Config is the path of its configuration file.
func (d *Daemon) Config() string { return d.config }

// Build builds the daemon and the command line into dir, and returns their
// paths. Tags are further build tags of the daemon's, such as "failpoints".
func Build(ctx context.Context, dir string, tags ...string) (daemon, cli string, err error) {
	root, err := Root()
	if err != nil {
		return "", "", err
	}
	daemon, cli = filepath.Join(dir, "virtbalanced"), filepath.Join(dir, "virtbalance")
	for _, args := range [][]string{
		{"build", "-tags", strings.Join(append([]string{"libvirt_dlopen"}, tags...), ","), "-o", daemon, "./cmd/virtbalanced"},
		{"build", "-o", cli, "./cmd/virtbalance"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return daemon, cli, nil
}

// Root is the top of this source tree.
func Root() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeKey makes a gossip key for a stage.
func writeKey(path string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

// place is what differs between two hosts' configurations.
type place struct {
	host, dir, socket, key string
	gossip, peer, metrics  string
	page                   string
	advertise              string
	join                   []string
	peerSection            string
	capacity               float64
	libvirt                string
}

// write writes the configuration of one daemon.
func (s Settings) write(p place) (string, error) {
	s = s.withDefaults()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("mode = %q", s.Mode)
	line("state_dir = %q", p.dir)
	line("[host]\nname = %q\ncpu_capacity = %g", p.host, p.capacity)
	line("[libvirt]\n%s%s", p.libvirt, s.Libvirt)
	line("[sampling]\ninterval = %q\ntime_constant = %q", s.Interval, s.TimeConstant)
	line("[gossip]\nlisten = %q\nkey_file = %q", p.gossip, p.key)
	if p.advertise != "" {
		line("advertise = %q", p.advertise)
	}
	line("join = [\"%s\"]", strings.Join(p.join, `", "`))
	line("[peer]\nlisten = %q\n%s%s", p.peer, p.peerSection, s.Peer)
	line("[api]\nsocket = %q\nlisten = %q", p.socket, p.page)
	line("[metrics]\nlisten = %q", p.metrics)
	line("[policy]\nsamples_over = %d\nsamples_window = %d\nsettle = %q\ncooldown = %q\nreturn_window = %q",
		s.Over, s.Window, s.Settle, s.Cooldown, s.ReturnWindow)
	line("stale_after = %q\nrefused_backoff = %q\n%s", 8*s.Interval, s.RefusedBackoff, s.Policy)
	path := filepath.Join(p.dir, "config.toml")
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}
