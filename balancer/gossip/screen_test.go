package gossip_test

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
)

// A forger has the key and seals what memberlist does not bear, or only just.
// The host counts it as garbage, goes on, and hears the next true message.
func TestForgedMessages(t *testing.T) {
	seal, sealStream := forger(t).Packet, forger(t).Stream
	nested := gossiptest.Join(gossiptest.Join(hello, hello), hello)
	tooMany := gossiptest.Encode(gossiptest.PushPull, gossiptest.States{Nodes: 1 << 30})
	for _, c := range []struct {
		name   string
		packet []byte // sealed
		stream []byte
	}{
		{name: "nothing", packet: seal(1, nil), stream: sealStream(nil)},
		{name: "padding of more than there is", packet: seal(0, append(make([]byte, 31), 255))},
		{name: "an empty part", packet: seal(1, gossiptest.Join(hello, nil))},
		{name: "a packet in a packet in a packet", packet: seal(1, nested)},
		{name: "a checksum of nothing", packet: seal(1, []byte{gossiptest.CRC, 0, 0, 0, 0})},
		{name: "parts that are not there", packet: seal(1, []byte{gossiptest.Compound, 200, 0, 1})},
		{name: "40 MiB, compressed", packet: seal(1, gossiptest.Bomb(gossiptest.User, 40<<20)), stream: sealStream(gossiptest.Bomb(gossiptest.PushPull, 40<<20))},
		{name: "a message by stream", stream: sealStream(hello)},
		{name: "a billion hosts", stream: sealStream(tooMany)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t)
				f.grow(1)
				v := newVictim(f)
				garbage := func() uint64 { return f.rejected(gossip.CauseGarbage) }
				if c.packet != nil {
					before := garbage()
					f.net.Inject(address(9), address(1), c.packet)
					f.within(soon, "the host counts the packet", func() bool { return garbage() > before })
					f.within(soon, "the host hears after the packet", v.hears())
				}
				if c.stream != nil {
					before := garbage()
					v.stream(c.stream)
					f.within(soon, "the host counts the stream", func() bool { return garbage() > before })
					f.within(soon, "the host hears after the stream", v.hears())
				}
				f.end()
			})
		})
	}
}

// FuzzForgedPacket and FuzzForgedStream seal whatever comes: no message may end
// a daemon, whoever has the key. A crash is memberlist's, which the screen is to
// keep from it.
func FuzzForgedPacket(f *testing.F) {
	for _, kind := range []byte{0, 1, 2, gossiptest.Suspect, gossiptest.Alive, gossiptest.Dead, gossiptest.User, 11, gossiptest.CRC, 13} {
		f.Add([]byte{kind})
		f.Add(gossiptest.Join([]byte{kind}, []byte{kind, 0x80}))
	}
	f.Add(gossiptest.Encode(gossiptest.Alive, gossiptest.Member{Incarnation: 1, Node: "a", Addr: []byte{10, 0, 0, 2}, Port: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}))
	f.Add(gossiptest.Encode(gossiptest.Alive, gossiptest.Member{Node: string(hostID(1)), Incarnation: 1 << 31, Vsn: []byte{1}}))
	f.Add(gossiptest.Encode(gossiptest.Suspect, gossiptest.Accusation{Incarnation: 1, Node: string(hostID(1)), From: "a"}))
	f.Add(gossiptest.Encode(gossiptest.Dead, gossiptest.Accusation{Incarnation: 1, Node: string(hostID(1)), From: string(hostID(1))}))
	f.Add(gossiptest.Encode(0, map[string]any{"SeqNo": 1, "Node": string(hostID(1)), "SourceAddr": []byte{1}, "SourcePort": 1}))
	f.Add(gossiptest.Encode(1, map[string]any{"SeqNo": 1, "Target": []byte{10, 0, 0, 1}, "Port": 1, "Nack": true}))
	fleet := newFleet(f)
	fleet.grow(1)
	v := newVictim(fleet)
	f.Fuzz(func(t *testing.T, message []byte) {
		fleet.net.Inject(address(9), address(1), v.forger.Packet(1, message))
		v.mustHear(t)
	})
}

func FuzzForgedStream(f *testing.F) {
	for _, kind := range []byte{0, gossiptest.PushPull, gossiptest.User, gossiptest.Compress, 13} {
		f.Add([]byte{kind})
	}
	one := gossiptest.Encode(gossiptest.PushPull, gossiptest.States{Nodes: 1, UserStateLen: 1})
	state := gossiptest.Encode(0, gossiptest.Member{Incarnation: 1, Node: "a", Addr: []byte{10, 0, 0, 2}, Port: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}})[1:]
	f.Add(one)
	f.Add(append(append(bytes.Clone(one), state...), 1))
	f.Add(gossiptest.Encode(gossiptest.PushPull, gossiptest.States{Nodes: -1, UserStateLen: -1}))
	f.Add(gossiptest.Encode(gossiptest.PushPull, gossiptest.States{Nodes: 1 << 40, UserStateLen: 1 << 40}))
	fleet := newFleet(f)
	fleet.grow(1)
	v := newVictim(fleet)
	f.Fuzz(func(t *testing.T, message []byte) {
		v.stream(v.forger.Stream(message))
		v.mustHear(t)
	})
}

// victim is host 1 of a fleet, which is told things from hosts 10 to 73: more
// than one, so that streams are not refused for their number.
type victim struct {
	f      *fleet
	forger gossiptest.Forger
	nodes  []*gossiptest.Node
	next   int
}

// hello is a true message, of a type that this version does not know.
var hello = []byte{gossiptest.User, 200, 1, 2, 3}

func newVictim(f *fleet) *victim {
	f.tb.Helper()
	v := &victim{f: f, forger: forger(f.tb)}
	for i := range 64 {
		node, err := f.net.Listen(address(10 + i))
		if err != nil {
			f.tb.Fatal(err)
		}
		v.nodes = append(v.nodes, node)
	}
	return v
}

// hears is a condition: a true message of an unknown type is said, and counted.
func (v *victim) hears() func() bool {
	before := v.f.rejected(gossip.CauseUnknownType)
	return func() bool {
		v.f.net.Inject(address(9), address(1), v.forger.Packet(1, hello))
		return v.f.rejected(gossip.CauseUnknownType) > before
	}
}

func (v *victim) mustHear(tb testing.TB) {
	tb.Helper()
	heard := v.hears()
	for began := time.Now(); !heard(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			tb.Fatal("the host does not hear any more")
		}
	}
}

// stream says one thing by stream, and waits until the host closes it.
func (v *victim) stream(sealed []byte) {
	v.next = (v.next + 1) % len(v.nodes)
	conn, err := v.nodes[v.next].DialTimeout(address(1).String(), time.Second)
	if err != nil {
		panic(err) // the network of this test
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(sealed); err == nil {
		_, _ = io.Copy(io.Discard, conn) // until it is refused, answered or given up
	}
}

func forger(tb testing.TB) gossiptest.Forger {
	tb.Helper()
	f, err := gossiptest.NewForger("test", key(1))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}
