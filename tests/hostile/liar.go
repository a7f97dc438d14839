package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"net"
	"slices"
	"sync"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
)

// liar is a member of the cluster: it has the key, and no certificate.
type liar struct {
	stranger
	gossiptest.Forger
	list *memberlist.Memberlist

	mu       sync.Mutex
	recorded [][]byte          // packets of true hosts, as they came
	facts    map[string][]byte // of all members, by name
}

// join makes a liar a member.
func join(s stranger, f gossiptest.Forger, key []byte, victim string) (*liar, error) {
	l := &liar{stranger: s, Forger: f, facts: map[string][]byte{}}
	inner, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{s.from}, Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		return nil, err
	}
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label, c.SecretKey = "liar", f.Label, key
	c.Transport = &recorder{NetTransport: inner, liar: l, packets: make(chan *memberlist.Packet)}
	c.AdvertiseAddr, c.AdvertisePort = s.from, inner.GetAutoBindPort()
	c.EnableCompression = false
	c.Delegate, c.Events = l, l
	c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion = 1, 1, 1
	c.Logger = log.New(io.Discard, "", 0)
	if l.list, err = memberlist.Create(c); err != nil {
		return nil, err
	}
	_, err = l.list.Join([]string{victim})
	return l, err
}

// recorder notes what comes in, still encrypted.
type recorder struct {
	*memberlist.NetTransport
	liar    *liar
	once    sync.Once
	packets chan *memberlist.Packet
}

func (r *recorder) PacketCh() <-chan *memberlist.Packet {
	r.once.Do(func() {
		go func() {
			for p := range r.NetTransport.PacketCh() {
				r.liar.mu.Lock()
				if len(r.liar.recorded) < 1000 {
					r.liar.recorded = append(r.liar.recorded, append([]byte(nil), p.Buf...))
				}
				r.liar.mu.Unlock()
				r.packets <- p
			}
		}()
	})
	return r.packets
}

// NodeMeta is what the liar says of itself.
func (l *liar) NodeMeta(int) []byte             { return facts("liar", 1) }
func (l *liar) NotifyMsg([]byte)                {}
func (l *liar) GetBroadcasts(int, int) [][]byte { return nil }
func (l *liar) LocalState(bool) []byte          { return []byte("\xff\xff lies") }
func (l *liar) MergeRemoteState([]byte, bool)   {}

// NotifyJoin notes what a member says of itself; a Node may be read here only.
func (l *liar) NotifyJoin(n *memberlist.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts[n.Name] = slices.Clone(n.Meta)
}

func (l *liar) NotifyUpdate(n *memberlist.Node) { l.NotifyJoin(n) }
func (l *liar) NotifyLeave(*memberlist.Node)    {}

// hostKey is how a digest names a host.
func hostKey(name string) [6]byte {
	sum := sha256.Sum256([]byte(name))
	return [6]byte(sum[:6])
}

// madeUpEpoch is that of all hosts that are made up.
const madeUpEpoch = 7

func madeUp(i int) string { return fmt.Sprintf("made-up-%07d", i) }

// crowdOfHosts makes up n hosts, each with a name and an address where nobody
// is, and lets the first of them be heard, again and again.
func (l *liar) crowdOfHosts(n, heard int) func(int) []byte {
	const each = 40
	one := gossiptest.Encode(gossiptest.Alive, gossiptest.Member{
		Incarnation: 1, Node: madeUp(0), Addr: []byte{127, 1, 2, 3}, Port: 9,
		Meta: facts("fake", madeUpEpoch), Vsn: []byte{1, 5, 5, 1, 1, 1},
	})
	many := gossiptest.Join(slices.Repeat([][]byte{one}, each)...)
	names := make([]int, 0, each) // where they are in it
	for at := 0; ; {
		next := bytes.Index(many[at:], []byte(madeUp(0)))
		if next < 0 {
			break
		}
		names = append(names, at+next)
		at += next + 1
	}
	return func(i int) []byte {
		if i%50 == 49 { // digests of those that are heard
			var told [][]byte
			for j := range 30 {
				told = append(told, digest(hostKey(madeUp((i/50*30+j)%heard)), madeUpEpoch, uint32(1+i/50), 100, 1024))
			}
			return l.Packet(1, batch(told...))
		}
		for j, at := range names {
			copy(many[at:], madeUp((i*each+j)%n))
		}
		return l.Packet(1, many)
	}
}

// lies are what can be said wrongly of true hosts and of itself.
func (l *liar) lies(victim string) func(int) []byte {
	l.mu.Lock()
	facts := maps.Clone(l.facts)
	l.mu.Unlock()
	delete(facts, "liar")
	delete(facts, victim)
	others := slices.Sorted(maps.Keys(facts))
	bombs := [][]byte{gossiptest.Bomb(gossiptest.User, 39<<20), gossiptest.Bomb(gossiptest.Alive, 39<<20), gossiptest.Bomb(gossiptest.Compound, 39<<20)}
	return func(i int) []byte {
		name := others[i/20%len(others)]
		key, epoch, seq := hostKey(name), binary.BigEndian.Uint32(facts[name][1:5]), uint32(i)
		switch i % 20 {
		case 0: // another's identity, numbered ahead: it is empty, take it
			return l.Packet(1, batch(digest(key, epoch, seq+50, 10, 100)))
		case 1: // from the future
			return l.Packet(1, batch(digest(key, epoch, math.MaxUint32, 10, 100)))
		case 2: // more than it has, and more than can be told, which would be negative
			return l.Packet(1, batch(digest(hostKey("liar"), 1, seq+1, 100_000_000, math.MaxUint32)))
		case 3:
			return l.Packet(1, batch(digest(hostKey("liar"), 1, seq+1, math.MaxUint64, math.MaxUint64)))
		case 4: // not a number there is
			return l.Packet(1, batch(append(digest(hostKey("liar"), 1, seq+1, 1, 1)[:30:30], 0xff, 0xff, 0xff, 0xff, 0xff)))
		case 5: // another's name at the liar's address
			return l.Packet(1, gossiptest.Encode(gossiptest.Alive, gossiptest.Member{
				Incarnation: uint32(i), Node: name, Addr: net.ParseIP(l.from).To4(), Port: 9, Meta: facts[name], Vsn: []byte{1, 5, 5, 1, 1, 1},
			}))
		case 6: // it is dead
			if i%2000 != 6 {
				return l.Packet(1, gossiptest.Encode(gossiptest.Suspect, gossiptest.Accusation{Incarnation: 1, Node: name, From: "liar"}))
			}
			return l.Packet(1, gossiptest.Encode(gossiptest.Dead, gossiptest.Accusation{Incarnation: uint32(i), Node: name, From: "liar"}))
		case 7, 8, 9: // what explodes
			return l.Packet(1, bombs[i%len(bombs)])
		case 10:
			return l.Packet(1, nil)
		case 11: // a padding longer than the message
			return l.Packet(0, append(make([]byte, 31), 255))
		case 12:
			return l.Packet(1, gossiptest.Join(gossiptest.Join(gossiptest.Join([]byte{gossiptest.User, 1, 1}))))
		case 13:
			return l.Packet(1, append([]byte{gossiptest.User, 1, 1}, make([]byte, 60<<10)...))
		case 14: // facts that are none
			return l.Packet(1, gossiptest.Encode(gossiptest.Alive, gossiptest.Member{Incarnation: 9, Node: "x", Addr: []byte{1}, Meta: []byte{0xff}, Vsn: []byte{1, 5, 5, 1, 1, 1}}))
		default:
			return l.Packet(1, []byte{byte(i), byte(i >> 8)})
		}
	}
}

// replay sends what true hosts have sent, again and again.
func (l *liar) replay() func(int) []byte {
	return func(i int) []byte {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.recorded) == 0 {
			return []byte{}
		}
		return l.recorded[i%len(l.recorded)]
	}
}

// say is what the key opens on streams.
func (l *liar) say(i int, c net.Conn) error {
	var message []byte
	switch i % 4 {
	case 0:
		message = nil
	case 1:
		message = gossiptest.Encode(gossiptest.PushPull, gossiptest.States{Nodes: 1 << 20, Join: true})
	case 2:
		message = gossiptest.Bomb(gossiptest.PushPull, 39<<20)
	default:
		message = gossiptest.Encode(gossiptest.PushPull, gossiptest.States{Nodes: 0, UserStateLen: 19 << 20})
	}
	_, err := c.Write(l.Stream(message))
	return err
}

// end leaves without a word.
func (l *liar) end() error { return l.list.Shutdown() }
