package gossip_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/policy"
)

// logbook is a log that a test can read.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

// count counts the lines that hold all the texts.
func (l *logbook) count(texts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// logTo has a host write what an operator sees.
func logTo(l *logbook) func(*gossip.Options) {
	return func(o *gossip.Options) { o.Logger = slog.New(slog.NewTextHandler(l, nil)) }
}

// A mistake in the setup of one host, and what the operators of both see. The
// texts come from memberlist: this is where another version would be noticed.
func TestMistakesInTheSetup(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mistake func(*gossip.Options)
		why     gossip.Cause
		others  string // what the others log of host 3
		itself  string // what host 3 logs
	}{
		{
			"another key", func(o *gossip.Options) { o.Keys = [][]byte{key(9)} },
			gossip.CauseOtherKey, "uses another gossip key", "uses another gossip key",
		},
		{
			"no key", func(o *gossip.Options) { o.Keys, o.Insecure = nil, true },
			gossip.CauseOtherKey, "uses another gossip key", "uses another gossip key",
		},
		{
			"another label", func(o *gossip.Options) { o.Label = "production" },
			gossip.CauseOtherLabel, "belongs to another cluster", "this host is alone",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var others, itself logbook
				f := newFleet(t)
				f.start(1, logTo(&others))
				f.start(2)
				f.within(soon, "2 together", f.whole(2))
				f.start(3, tt.mistake, logTo(&itself))
				time.Sleep(10 * time.Minute)

				if n := f.hosts[0].Stats().Rejected[tt.why]; n < 2 {
					t.Errorf("counted %d times as %s", n, tt.why)
				}
				if n := others.count("level=WARN", tt.others, "peer=10.0.0.3"); n != 1 {
					t.Errorf("the others said %d times %q, want once:\n%s", n, tt.others, &others)
				}
				if n := itself.count("level=WARN", tt.itself); n < 1 || n > 3 {
					t.Errorf("the host itself said %d times %q, want once per peer:\n%s", n, tt.itself, &itself)
				}
				for i, want := range []int{2, 2, 1} {
					if got := f.hosts[i].Stats().Members; got != want {
						t.Errorf("host %d has %d members, want %d", i+1, got, want)
					}
				}
				time.Sleep(10 * time.Minute)
				if n := others.count(tt.others); n != 2 {
					t.Errorf("after 20 minutes the others have said it %d times, want twice", n)
				}
				f.end()
			})
		})
	}
}

func TestGarbagePackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logbook
		f := newFleet(t)
		f.start(1, logTo(&book))
		f.start(2)
		f.publish(busy(1))
		f.within(soon, "2 together", f.seen(1))

		label := append([]byte{244, 4}, "test"...)
		noise := []struct {
			packet []byte
			why    gossip.Cause
		}{
			{[]byte("GET / HTTP/1.1\r\n\r\n"), gossip.CauseOtherLabel}, // has no label at all
			{[]byte{244}, gossip.CauseGarbage},
			{[]byte{244, 200, 1}, gossip.CauseGarbage},
			{label, gossip.CauseGarbage},
			{append(label[:6:6], 7, 7, 7), gossip.CauseGarbage},
			{append(label[:6:6], bytes.Repeat([]byte{1}, 200)...), gossip.CauseOtherKey},
		}
		for i, n := range noise {
			before := f.hosts[0].Stats().Rejected[n.why]
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 53)
			for range 100 {
				if !f.net.Inject(from, address(1), n.packet) {
					t.Fatal("the host does not listen")
				}
			}
			synctest.Wait()
			if got := f.hosts[0].Stats().Rejected[n.why] - before; got != 100 {
				t.Errorf("packet %d: %d counted as %s, want 100", i, got, n.why)
			}
			if got := book.count("level=WARN", "peer="+from.Addr().String()); got != 1 {
				t.Errorf("packet %d: %d warnings for 100 packets:\n%s", i, got, &book)
			}
		}

		// From ten thousand forged senders: the log stays readable.
		for i := range 10_000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 53)
			f.net.Inject(from, address(1), []byte("noise"))
			if i%1000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if n := book.count("level=WARN"); n > 300 {
			t.Errorf("%d warnings", n)
		}
		if !f.whole(2)() {
			t.Error("the noise drove the hosts apart")
		}
		f.end()
	})
}

func TestOptionsFaults(t *testing.T) {
	with := func(change func(*gossip.Options)) gossip.Options {
		o := options(1)
		change(&o)
		return o
	}
	for _, tt := range []struct {
		o    gossip.Options
		want []string
	}{
		{with(func(o *gossip.Options) { o.Keys = nil }), []string{"no key", "gossip.key_file", "gossip.insecure = true"}},
		{with(func(o *gossip.Options) { o.Keys = [][]byte{{1, 2, 3}} }), []string{"gossip.key_file: key 1 has 3 bytes", "16, 24 or 32"}},
		{with(func(o *gossip.Options) { o.Listen = netip.AddrPort{} }), []string{"gossip.listen"}},
		{with(func(o *gossip.Options) { o.Advertise = netip.MustParseAddrPort("0.0.0.0:17450") }), []string{"gossip.advertise (0.0.0.0:17450)", "wildcard"}},
		{with(func(o *gossip.Options) { o.Label = "" }), []string{`gossip.label ("")`}},
		{with(func(o *gossip.Options) { o.Label = strings.Repeat("x", 300) }), []string{"gossip.label", "255"}},
		{with(func(o *gossip.Options) { o.Join = []string{"ok", "a:b:c", ":1"} }), []string{`gossip.join ("a:b:c")`, `gossip.join (":1")`}},
		{with(func(o *gossip.Options) { o.Self.ID = "No UUID" }), []string{`host ID "No UUID"`, "a-z"}},
		{with(func(o *gossip.Options) { o.Self.Labels = []string{strings.Repeat("x", 200)} }), []string{"host.labels (201 bytes)", "200 fit"}},
		{with(func(o *gossip.Options) { o.Interval = time.Hour }), []string{"gossip.interval (1h0m0s)"}},
		{with(func(o *gossip.Options) { o.MaxHosts = -1 }), []string{"gossip.max_hosts (-1)"}},
		{with(func(o *gossip.Options) { o.Expiry = time.Second }), []string{"gossip.expiry (1s)"}},
		// All at once.
		{gossip.Options{}, []string{"host ID", "gossip.listen", "gossip.label", "gossip: no key"}},
	} {
		g, err := gossip.New(tt.o)
		if err == nil {
			t.Errorf("%+v was accepted: %v", tt.o, g)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want it to say %q", err, want)
			}
		}
	}
	if _, err := gossip.New(with(func(o *gossip.Options) { o.Self.Capacity = policy.Load{CPU: -1} })); err == nil {
		t.Error("a host of negative size was accepted")
	}
}
