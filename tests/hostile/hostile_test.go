//go:build !race

// The daemon that is attacked is a process of its own, built without the race
// detector: with it only the attackers would be slower, and no attack any more.

package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/virtbalance/virtbalance/balancer/access"
	"github.com/virtbalance/virtbalance/balancer/access/accesstest"
	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// world has a hot host, h2, whose domains fit nowhere: whoever believes that
// another host is empty asks it in vain.
const world = `{
  "migration": {"setup": "200ms", "source_cpu_millis": 100, "target_cpu_millis": 100},
  "hosts": [
    {"name": "h1", "cpu_millis": 4000, "memory": "16GiB", "memory_used": "1GiB", "load": 150, "link": "256MiB"},
    {"name": "h2", "cpu_millis": 4000, "memory": "16GiB", "memory_used": "1GiB", "load": 150, "link": "256MiB"},
    {"name": "h3", "cpu_millis": 4000, "memory": "16GiB", "memory_used": "1GiB", "load": 150, "link": "256MiB"}
  ],
  "domains": [
    {"name": "full1", "host": "h1", "vcpus": 4, "memory": "2GiB", "demand": 2300},
    {"name": "web", "host": "h2", "vcpus": 4, "memory": "2GiB", "dirty_rate": "20MiB", "demand": 1800},
    {"name": "db", "host": "h2", "vcpus": 2, "memory": "2GiB", "dirty_rate": "20MiB", "demand": 1500},
    {"name": "full3", "host": "h3", "vcpus": 4, "memory": "2GiB", "demand": 2300}
  ]
}`

// The bounds that the daemon is held to while it is attacked. The unit gives it
// 512 MiB; the descriptors are those of all its gates together and some for
// itself, the goroutines a few for each connection.
const (
	rssMax        = 320 << 20
	fdsMax        = 900
	goroutinesMax = 3000
	logMax        = 256 << 10
	statusWithin  = 10 * time.Second // on a machine with other work; a second is usual
)

// TestUnderAttack: for twelve seconds and more one daemon of three is attacked by
// strangers on every port, by a liar that holds the gossip key, and with its own
// past. Nothing is moved, it answers, it stays within its bounds, and when it is
// over the fleet is whole and moves what it should.
func TestUnderAttack(t *testing.T) {
	const attack, atMost = 12 * time.Second, time.Minute // until every refusal has been seen
	f := newFleet(t)
	victim := f.daemons[1]
	f.eventually(time.Minute, "h2 is hot and finds no room", func() bool {
		s, err := victim.Client.Status(t.Context())
		return err == nil && s.Fleet.Fresh == 3 && s.Hold == policy.NoFeasibleHost
	})
	before := f.look(victim)

	ctx, end := context.WithCancel(t.Context())
	defer end()
	sent, ended := f.attack(ctx, victim)
	worst, answered := before, time.Duration(0)
	missing := refusals()
	for attacked := time.Now(); time.Since(attacked) < attack || len(missing) > 0 && time.Since(attacked) < atMost; {
		began := time.Now()
		asking, cancel := context.WithTimeout(t.Context(), statusWithin)
		_, err := victim.Client.Status(asking)
		cancel()
		if err != nil {
			t.Fatalf("no status after %s of the attack: %v", time.Since(began), err)
		}
		answered = max(answered, time.Since(began))
		now := f.look(victim)
		worst = worst.worse(now)
		missing = slices.DeleteFunc(missing, func(name string) bool { return now.metrics[name] > before.metrics[name] })
		time.Sleep(250 * time.Millisecond)
	}
	end()
	ended()
	after := f.look(victim)
	worst = worst.worse(after)

	received := after.metrics["virtbalanced_gossip_packet_bytes_total received"] - before.metrics["virtbalanced_gossip_packet_bytes_total received"] +
		after.metrics["virtbalanced_gossip_stream_bytes_total received"] - before.metrics["virtbalanced_gossip_stream_bytes_total received"]
	cpu := after.metrics["process_cpu_seconds_total"] - before.metrics["process_cpu_seconds_total"]
	t.Logf("%d MiB sent, %.0f MiB of it read as gossip; %.1f s of CPU, %.0f ms for each MiB of gossip", sent.Load()>>20, received/(1<<20), cpu, 1000*cpu/(received/(1<<20)))
	t.Logf("at most %d MiB resident, %d descriptors, %.0f goroutines; status within %s; %d KiB of log", worst.rss>>20, worst.fds, worst.metrics["go_goroutines"],
		answered.Round(time.Millisecond), (after.log-before.log)>>10)
	for _, bound := range []struct {
		what      string
		have, max int
	}{
		{"bytes resident", worst.rss, rssMax},
		{"descriptors", worst.fds, fdsMax},
		{"goroutines", int(worst.metrics["go_goroutines"]), goroutinesMax},
		{"bytes of log", after.log - before.log, logMax},
	} {
		if bound.have > bound.max {
			t.Errorf("%d %s, more than %d", bound.have, bound.what, bound.max)
		}
	}
	f.nothingMoved()
	for _, name := range missing {
		t.Errorf("%s has not counted anything", name)
	}
	for _, name := range refusals() {
		t.Logf("%-60s %.0f", name, after.metrics[name]-before.metrics[name])
	}
	if t.Failed() {
		t.Logf("the log of h2:\n%.5000s", victim.Log())
	}

	began := time.Now()
	f.eventually(3*time.Minute, "all hosts are fresh everywhere", f.whole)
	t.Logf("whole again after %s", time.Since(began).Round(100*time.Millisecond))
	f.nothingMoved()
	if err := f.world.Do(t.Context(), fake.Action{Do: fake.SetDemand, Domain: "full3", Demand: &fake.Profile{Constant: 100}}); err != nil {
		t.Fatal(err)
	}
	f.eventually(2*time.Minute, "h2 is relieved now that h3 has room", func() bool {
		done, err := victim.Client.History(t.Context(), 10)
		return err == nil && slices.ContainsFunc(done, func(o api.Operation) bool { return o.Result == policy.Succeeded && o.ToName == "h3" })
	})
}

// refusals are the series that this attack must move.
func refusals() []string {
	var names []string
	for metric, causes := range map[string][]string{
		"virtbalanced_gossip_rejected_total": {
			"garbage", "other_key", "other_label", "absurd", "wild_sequence", "too_many_hosts", "conflict", "bad_meta", "streams",
		},
		"virtbalanced_peer_refused_total":   {"handshake", "connections"},
		"virtbalanced_access_refused_total": {"connections page", "connections metrics", "too_large page"},
	} {
		for _, cause := range causes {
			names = append(names, metric+" "+cause)
		}
	}
	slices.Sort(names)
	return names
}

// fleet is three daemons with certificates on a simulated world.
type fleet struct {
	*testing.T
	daemons []*stage.Daemon
	world   *fake.Client
	key     []byte
	gossip  map[string]string // by host
	peer    map[string]string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, _, err := stage.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	daemons, err := stage.OnSim(dir, binary, stage.Settings{World: []byte(world), Policy: "swaps = false\n"})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := lab.NewAuthority("the fleet's")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(lab.Certificate{CommonName: "host", Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	pki := filepath.Join(dir, "pki")
	if err := ca.Install(pki, pair); err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(strconv.Itoa(os.Getegid()))
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{T: t, daemons: daemons, world: fake.Dial(filepath.Join(dir, "world.sock")), gossip: map[string]string{}, peer: map[string]string{}}
	for _, d := range daemons {
		f.configure(d, pki, group.Name)
	}
	text, err := os.ReadFile(filepath.Join(dir, "gossip.key"))
	if err != nil {
		t.Fatal(err)
	}
	if f.key, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil {
		t.Fatal(err)
	}
	// Whoever is on the machine may knock at the sockets.
	for _, d := range append([]string{dir}, daemons[0].Dir, daemons[1].Dir, daemons[2].Dir) {
		if err := os.Chmod(d, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range daemons {
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { <-d.Done() })
		t.Cleanup(func() { _ = d.Signal(unix.SIGTERM) })
	}
	return f
}

// configure gives a daemon certificates and lets a group look, and reads where
// it listens.
func (f *fleet) configure(d *stage.Daemon, pki, group string) {
	f.Helper()
	b, err := os.ReadFile(d.Config())
	if err != nil {
		f.Fatal(err)
	}
	text := strings.Replace(string(b), "insecure = true\n",
		fmt.Sprintf("ca_file = %q\ncrl_file = \"\"\ncert_file = %q\nkey_file = %q\n", pki+"/cacert.pem", pki+"/servercert.pem", pki+"/serverkey.pem"), 1)
	text = strings.Replace(text, "[api]\n", fmt.Sprintf("[api]\nread_group = %q\n", group), 1)
	if err := os.WriteFile(d.Config(), []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
	section := ""
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "[") {
			section = strings.TrimSpace(line)
		}
		if at, ok := strings.CutPrefix(line, "listen = "); ok {
			at = strings.Trim(at, "\"\n")
			switch section {
			case "[gossip]":
				f.gossip[d.Host] = at
			case "[peer]":
				f.peer[d.Host] = at
			}
		}
	}
}

func (f *fleet) eventually(limit time.Duration, what string, holds func() bool) {
	f.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, d := range f.daemons {
				s, err := d.Client.Status(f.Context())
				hosts, _ := d.Client.Hosts(f.Context())
				for _, h := range hosts[:min(len(hosts), 10)] {
					f.Logf("%s: %s is %.0f s old, stale %v", d.Host, h.Name, h.AgeSeconds, h.Stale)
				}
				f.Logf("%s: %d of %d fresh, %s, %v\n%s", d.Host, s.Fleet.Fresh, s.Fleet.Known, s.HoldText, err, d.Log()[max(0, len(d.Log())-3000):])
			}
			f.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// whole reports whether every daemon has fresh states of all true hosts.
func (f *fleet) whole() bool {
	for _, d := range f.daemons {
		hosts, err := d.Client.Hosts(f.Context())
		fresh := 0
		for _, h := range hosts {
			if slices.Contains(stage.SimHosts, h.Name) && !h.Stale {
				fresh++
			}
		}
		s, statusErr := d.Client.Status(f.Context())
		if err != nil || statusErr != nil || fresh != 3 || s.Hold == policy.Minority {
			return false
		}
	}
	return true
}

// nothingMoved looks at the world, not at what the daemons say.
func (f *fleet) nothingMoved() {
	f.Helper()
	r, err := f.world.Report(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	if len(r.Migrations) > 0 {
		f.Errorf("moved: %+v", r.Migrations)
	}
}

// figures are how a daemon is doing.
type figures struct {
	rss, fds, log int
	metrics       map[string]float64
}

// worse has the larger of each.
func (a figures) worse(b figures) figures {
	b.rss, b.fds = max(a.rss, b.rss), max(a.fds, b.fds)
	m := map[string]float64{}
	for k, v := range b.metrics {
		m[k] = max(v, a.metrics[k])
	}
	b.metrics = m
	return b
}

func (f *fleet) look(d *stage.Daemon) figures {
	f.Helper()
	conn, err := net.Dial("unix", d.Client.Socket())
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	who, err := access.PeerCredentials(conn)
	if err != nil {
		f.Fatal(err)
	}
	proc := "/proc/" + strconv.Itoa(int(who.PID))
	statm, err := os.ReadFile(proc + "/statm")
	if err != nil {
		f.Fatalf("h2 has ended: %v\n%s", err, d.Log())
	}
	pages, _ := strconv.Atoi(strings.Fields(string(statm))[1])
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		f.Fatal(err)
	}
	return figures{rss: pages * os.Getpagesize(), fds: len(fds), log: len(d.Log()), metrics: f.metrics(d)}
}

// metrics reads all series, each by its name and the values of its labels.
func (f *fleet) metrics(d *stage.Daemon) map[string]float64 {
	f.Helper()
	client := http.Client{Timeout: statusWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + d.Metrics + "/metrics")
	if err != nil {
		f.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		f.Fatalf("metrics: %s", resp.Status)
	}
	series := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || strings.HasPrefix(name, "#") {
			continue
		}
		bare, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		for label := range strings.SplitSeq(labels, ",") {
			if _, text, ok := strings.Cut(label, "="); ok {
				bare += " " + strings.Trim(text, `"`)
			}
		}
		series[bare] = v
	}
	return series
}

// attack lets everybody loose on a daemon until ctx ends. What is returned waits
// for them.
func (f *fleet) attack(ctx context.Context, d *stage.Daemon) (sent *atomic.Int64, wait func()) {
	f.Helper()
	const label = "virtbalance"
	sent = new(atomic.Int64)
	forge, err := gossiptest.NewForger(label, f.key)
	if err != nil {
		f.Fatal(err)
	}
	l, err := join(stranger{"127.0.0.66", sent}, forge, f.key, f.gossip[d.Host])
	if err != nil {
		f.Fatal(err)
	}
	f.eventually(time.Minute, "the liar has recorded something to replay", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.recorded) > 20 && l.list.NumMembers() == 4
	})
	status, err := d.Client.Status(ctx)
	if err != nil {
		f.Fatal(err)
	}
	ownCA, err := lab.NewAuthority("a stranger's")
	if err != nil {
		f.Fatal(err)
	}
	pair, err := ownCA.Issue(lab.Certificate{CommonName: "host", Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		f.Fatal(err)
	}
	own, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		f.Fatal(err)
	}

	gossip, peer := f.gossip[d.Host], f.peer[d.Host]
	a, b := stranger{"127.0.0.67", sent}, stranger{"127.0.0.68", sent}
	var all sync.WaitGroup
	flood := func(s stranger, pace int, next func(int) []byte) {
		all.Go(func() {
			if err := s.flood(ctx, gossip, pace, next); err != nil {
				f.Error(err)
			}
		})
	}
	flood(a, 5, garbage(label))
	flood(l.stranger, 2, l.crowdOfHosts(1_000_000, 1))
	flood(l.stranger, 1, l.lies(string(status.Host.ID)))
	flood(l.stranger, 1, l.replay())
	all.Go(func() { l.crowd(ctx, "tcp", gossip, nil, l.say) })
	all.Go(func() { a.crowd(ctx, "tcp", gossip, nil, sayGossip(label)) })
	all.Go(func() { a.crowd(ctx, "tcp", peer, nil, sayTLS(own)) })
	all.Go(func() { a.crowd(ctx, "tcp", d.Page, nil, sayHTTP("/v1/status", "/v1/fleet", "/")) })
	all.Go(func() { b.crowd(ctx, "tcp", d.Metrics, nil, sayHTTP("/metrics", "/readyz")) })
	if os.Geteuid() == 0 {
		all.Go(func() {
			a.crowd(ctx, "unix", "", func() (net.Conn, error) {
				return accesstest.Dial(accesstest.User{UID: 65534, GID: 65534}, d.Client.Socket())
			}, sayHTTP("/v1/status", "/v1/pause"))
		})
	} else {
		f.Log("not root: the socket is not attacked, for who attacks it would be who asks for the status")
	}
	return sent, func() {
		all.Wait()
		if err := l.end(); err != nil {
			f.Error(err)
		}
	}
}
