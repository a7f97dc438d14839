package gossip_test

import (
	"log"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/policy"
)

// stranger is a peer that speaks memberlist and says what a test has it say: a
// newer version of this program, or a liar with the right key.
type stranger struct {
	id   policy.HostID
	list *memberlist.Memberlist

	mu    sync.Mutex
	meta  []byte
	say   [][]byte
	state []byte   // for push/pull
	heard [][]byte // messages that came in
}

// strangerAt joins host 1 as host i.
func (f *fleet) strangerAt(i int, meta []byte) *stranger {
	f.tb.Helper()
	node, err := f.net.Listen(address(i))
	if err != nil {
		f.tb.Fatal(err)
	}
	s := &stranger{id: hostID(i), meta: meta}
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label, c.SecretKey, c.Transport = string(s.id), "test", key(1), node
	c.EnableCompression = false
	c.Delegate = s
	c.DelegateProtocolMin, c.DelegateProtocolMax, c.DelegateProtocolVersion = 1, 7, 1
	c.Logger = log.New(f.tb.Output(), "", 0)
	if s.list, err = memberlist.Create(c); err != nil {
		f.tb.Fatal(err)
	}
	if _, err := s.list.Join([]string{address(1).String()}); err != nil {
		f.tb.Fatal(err)
	}
	f.stops = append(f.stops, func() {
		if err := s.list.Shutdown(); err != nil {
			f.tb.Error(err)
		}
	})
	return s
}

// tell has the stranger say a message to every host, more than once.
func (s *stranger) tell(msg []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 10 {
		s.say = append(s.say, msg)
	}
}

func (s *stranger) NodeMeta(int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta
}

func (s *stranger) NotifyMsg(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, append([]byte(nil), b...))
}

func (s *stranger) GetBroadcasts(int, int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.say) == 0 {
		return nil
	}
	next := s.say[0]
	s.say = s.say[1:]
	return [][]byte{next}
}

func (s *stranger) LocalState(bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *stranger) MergeRemoteState([]byte, bool) {}

// rejected sums what the hosts of the fleet refused for a cause.
func (f *fleet) rejected(why gossip.Cause) (n uint64) {
	for _, h := range f.hosts {
		n += h.Stats().Rejected[why]
	}
	return n
}

// hears reports whether every host has a state of the given host that matches.
func (f *fleet) hears(id policy.HostID, match func(policy.Host) bool) func() bool {
	return func() bool { return f.deaf(id, match) == 0 }
}

// nearlyAllHear is for what a flood alone must bring: it may miss one.
func (f *fleet) nearlyAllHear(id policy.HostID, match func(policy.Host) bool) func() bool {
	return func() bool { return f.deaf(id, match) <= 1 }
}

// deaf counts the hosts without a state of the given host that matches.
func (f *fleet) deaf(id policy.HostID, match func(policy.Host) bool) (n int) {
	for _, h := range f.hosts {
		if h.id != id && !slices.ContainsFunc(h.Hosts(), func(o policy.Host) bool { return o.ID == id && match(o) }) {
			n++
		}
	}
	return n
}

func usesCPU(n policy.MilliCPU) func(policy.Host) bool {
	return func(h policy.Host) bool { return h.Used.CPU == n }
}

// soon is enough for whatever a flood has missed to come by push/pull: one host
// in some hundreds misses a flood, which is no fault.
const soon = 2 * time.Minute
