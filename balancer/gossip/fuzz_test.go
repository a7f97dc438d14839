package gossip

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/policy"
)

func FuzzDigest(f *testing.F) {
	f.Add(digest{host: keyOf("b"), epoch: 7, seq: 3, state: policy.HostState{Used: policy.Load{CPU: 1000, Memory: policy.GiB}}}.append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDigest(b)
		if err != nil {
			return
		}
		d.state.Pressure = min(d.state.Pressure, 1) // more is never sent, and refused as absurd
		again, err := decodeDigest(d.append(nil))
		if err != nil || again != d {
			t.Fatalf("%+v became %+v, %v", d, again, err)
		}
		s := d.state
		if s.Used.CPU < 0 || s.Used.Memory < 0 || s.Promised.CPU < 0 || s.Promised.Memory < 0 || !s.Pressure.Valid() ||
			s.Running < 0 || s.Inbound < 0 || s.Outbound < 0 || d.age < 0 || s.Band > policy.BandCritical {
			t.Fatalf("a value out of range: %+v", d)
		}
	})
}

func FuzzMeta(f *testing.F) {
	good, err := encodeMeta(typicalFacts(), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b, here)
		if err != nil {
			return
		}
		c := m.facts.Capacity
		if c.CPU < 0 || c.CPU > maxCPU || c.Memory < 0 || c.Memory > maxMemory {
			t.Fatalf("capacity %+v", c)
		}
		for _, text := range append(m.facts.Labels, m.facts.Name, m.facts.CPUModel, m.facts.Endpoint.Peer, m.facts.Endpoint.Migration) {
			if printable(text) != text {
				t.Fatalf("text %q", text)
			}
		}
	})
}

// FuzzReceive feeds packets and push/pull states to a host with one peer.
func FuzzReceive(f *testing.F) {
	record := digest{host: keyOf("b"), epoch: 7, seq: 1}.append(nil)
	self := digest{host: keyOf("self"), epoch: 7, seq: 9}.append(nil)
	batch := appendRecord(appendRecord(appendBatchHeader(nil), record), self)
	f.Add(batch)
	f.Add(append(batch, 0xff, 1, 2))
	f.Add([]byte{9, 1, 2, 3})
	f.Fuzz(func(t *testing.T, msg []byte) {
		g := quiet(tableOf(t))
		d := delegate{g}
		d.NotifyMsg(msg)
		d.MergeRemoteState(msg, true)
		for _, h := range g.Hosts() {
			if !plausible(h.HostState, h.Capacity) || h.Received.After(time.Now()) {
				t.Fatalf("took in %+v", h)
			}
		}
		// Whatever came in can be passed on, and read by the next host.
		for _, out := range append(d.GetBroadcasts(3, 1300), d.LocalState(false)) {
			if why, ok := readBatch(out, func([]byte) {}); !ok {
				t.Fatalf("passed on what cannot be read: %s", why)
			}
		}
	})
}

// FuzzAlive feeds facts of strangers to the callbacks of memberlist.
func FuzzAlive(f *testing.F) {
	good, err := encodeMeta(typicalFacts(), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("c", good, []byte{10, 0, 0, 3})
	f.Add("self", good, []byte{})
	f.Fuzz(func(t *testing.T, name string, meta, addr []byte) {
		g := quiet(tableOf(t))
		d := delegate{g}
		n := &memberlist.Node{Name: name, Meta: meta, Addr: addr, Port: 17450, DMin: 1, DMax: 1, DCur: 1}
		if d.NotifyAlive(n) == nil {
			d.NotifyJoin(n)
			d.NotifyUpdate(n)
			d.NotifyLeave(n)
		}
		if g.table.size() > 2 {
			t.Fatalf("%d members", g.table.size())
		}
	})
}

func FuzzPeersFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"peers":{"b":{"addr":"10.0.0.2:17450","last_seen":"2026-01-01T11:59:00Z"}}}`))
	path := filepath.Join(f.TempDir(), "peers.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		table := newTable("self", 10, time.Hour)
		if table.loadPeers(path, noon) != nil {
			return
		}
		for _, addr := range table.lost(noon) {
			if !addr.IsValid() || addr.Port() == 0 {
				t.Fatalf("would look for %s", addr)
			}
		}
		if n := table.known(noon); n > 11 {
			t.Fatalf("knows %d hosts", n)
		}
		for _, h := range table.missing(noon) {
			if err := checkText("name", h.Name); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzJoinEntry(f *testing.F) {
	for _, s := range []string{"a", "a:1", "10.0.0.1", "[::1]:17450", "::1", "[::1]", ":1", "a:0", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		if host, port, err := splitJoin(entry); err == nil && (host == "" || port == 0) {
			t.Fatalf("%q became %q port %d", entry, host, port)
		}
	})
}

// quiet returns a gossip around a table, without a network.
func quiet(table *table) *Gossip {
	g := &Gossip{
		opts: Options{Interval: time.Second}, log: slog.New(slog.DiscardHandler), table: table,
		published: make(chan struct{}, 1), changed: make(chan struct{}, 1), forged: make(chan struct{}, 1),
		events: make(chan event, eventsMax), advertise: netip.MustParseAddrPort("10.0.0.1:17450"),
	}
	g.outbox.epoch = 7
	g.size.Store(2)
	g.pace.hosts.Store(2)
	g.pace.every.Store(int64(time.Second))
	return g
}
