package gossip_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/policy"
)

// facts of host i, in the words of an epoch.
func facts(t *testing.T, i int, epoch uint32) []byte {
	t.Helper()
	b, err := gossip.EncodeMeta(options(i).Self, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A newer version appends fields to facts and digests and knows more types of
// messages. An older one understands what it knows and passes on the rest.
func TestNewerVersionAmongOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.grow(4)
		newer := f.strangerAt(5, append(facts(t, 5, 77), "a field of the future"...))
		other := f.strangerAt(6, facts(t, 6, 78))
		f.within(soon, "all 6 together", f.whole(6))

		record := append(gossip.EncodeDigest(newer.id, 77, 1, busy(7000)), "and another"...)
		newer.tell(gossip.EncodeBatch(record))
		newer.tell([]byte{200, 1, 2, 3})
		f.within(soon, "the newer host's digest is understood", f.hears(newer.id, usesCPU(7000)))
		f.within(soon, "a message of an unknown type is counted", func() bool { return f.rejected(gossip.CauseUnknownType) > 0 })
		if n := f.rejected(gossip.CauseGarbage); n != 0 {
			t.Errorf("%d messages of a newer version were taken for garbage", n)
		}
		f.within(soon, "the appended field is passed on", func() bool {
			other.mu.Lock()
			defer other.mu.Unlock()
			return slices.ContainsFunc(other.heard, func(b []byte) bool { return bytes.Contains(b, []byte("and another")) })
		})
		f.end()
	})
}

// A peer with the right key says all that it should not. Each lie is refused
// and counted, and the true hosts are still heard.
func TestLiar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.grow(4)
		liar := f.strangerAt(9, facts(t, 9, 1))
		f.publish(busy(1000))
		f.within(soon, "all together", f.whole(5))
		f.within(soon, "the true states are known", f.hears(hostID(2), usesCPU(1000)))

		victim := f.hosts[1]
		absurd := busy(1000)
		absurd.Used.CPU = 32000 * 5
		for _, lie := range []struct {
			why gossip.Cause
			msg []byte
		}{
			{gossip.CauseAbsurd, gossip.EncodeBatch(gossip.EncodeDigest(liar.id, 1, 1, absurd))},
			{gossip.CauseUnknownHost, gossip.EncodeBatch(gossip.EncodeDigest("nobody", 1, 1, busy(1)))},
			{gossip.CauseOtherEpoch, gossip.EncodeBatch(gossip.EncodeDigest(victim.id, victim.Epoch()+1, 1, busy(1)))},
			{gossip.CauseGarbage, []byte("\x01\x01\x05hello")},
			{gossip.CauseGarbage, []byte{1}},
			{gossip.CauseUnknownType, bytes.Repeat([]byte{0xff}, 500)},
		} {
			before := f.rejected(lie.why)
			liar.tell(lie.msg)
			f.within(soon, fmt.Sprintf("a lie is counted as %s", lie.why), func() bool { return f.rejected(lie.why) > before })
		}
		if f.hears(victim.id, usesCPU(1))() {
			t.Error("a lie was believed")
		}
		f.publish(busy(2000))
		f.within(soon, "the truth is still heard", f.hears(victim.id, usesCPU(2000)))
		f.end()
	})
}

// A forged digest that is numbered ahead of the true ones makes the others deaf
// to these; the victim hears it too and begins a new epoch.
func TestImpersonationIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.grow(4)
		liar := f.strangerAt(9, facts(t, 9, 1))
		f.publish(busy(1000))
		f.within(soon, "all together", f.whole(5))
		f.within(soon, "the true states are known", f.hears(hostID(2), usesCPU(1000)))

		victim := f.hosts[1]
		epoch := victim.Epoch()
		liar.tell(gossip.EncodeBatch(gossip.EncodeDigest(victim.id, epoch, 500, busy(1))))
		f.within(soon, "the victim begins a new epoch", func() bool { return victim.Epoch() != epoch })
		f.within(soon, "its true state prevails", f.hears(victim.id, usesCPU(1000)))
		if f.rejected(gossip.CauseImpersonation) == 0 {
			t.Error("the forgery was not counted")
		}

		// Again and again: one new epoch a minute, not one per forgery.
		epoch = victim.Epoch()
		liar.tell(gossip.EncodeBatch(gossip.EncodeDigest(victim.id, epoch, 500, busy(1))))
		time.Sleep(10 * time.Second)
		if victim.Epoch() != epoch {
			t.Error("each forgery costs the fleet a round of facts")
		}
		f.end()
	})
}

func TestHostsThatCannotBeMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		var book logbook
		f.grow(3, logTo(&book), func(o *gossip.Options) { o.MaxHosts = 4 })
		f.within(soon, "3 together", f.whole(3))
		mute := f.strangerAt(7, []byte("no facts"))
		time.Sleep(soon)
		if !f.whole(3)() || f.rejected(gossip.CauseBadMeta) == 0 {
			t.Errorf("a host without facts: rejected %d", f.rejected(gossip.CauseBadMeta))
		}
		if n := book.count("level=WARN", "cannot be a member", "peer="+string(mute.id), "facts"); n < 1 || n > 3 {
			t.Errorf("three hosts said %d times that they refuse it, want each once at most:\n%s", n, &book)
		}
		f.strangerAt(8, facts(t, 8, 1))
		f.within(soon, "a fourth host of four", f.whole(4))
		f.strangerAt(9, facts(t, 9, 1))
		time.Sleep(soon)
		if !f.whole(4)() || f.rejected(gossip.CauseTooManyHosts) == 0 {
			t.Errorf("a fifth host of four: rejected %d", f.rejected(gossip.CauseTooManyHosts))
		}
		f.end()
	})
}

// Push/pull states are read by the same rules as packets.
func TestLiesInPushPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.grow(2)
		f.within(soon, "2 together", f.whole(2))
		liar := f.strangerAt(9, facts(t, 9, 1))
		liar.mu.Lock()
		liar.state = append(gossip.EncodeBatch(
			gossip.EncodeDigest(liar.id, 1, 1, busy(4000)),
			gossip.EncodeDigest("nobody", 1, 1, policy.HostState{}),
		), 255, 1, 2)
		liar.mu.Unlock()
		f.within(soon, "what was good in it is used", f.hears(liar.id, usesCPU(4000)))
		if f.rejected(gossip.CauseUnknownHost) == 0 || f.rejected(gossip.CauseGarbage) == 0 {
			t.Errorf("what was bad in it was not counted: %v", f.hosts[0].Stats().Rejected)
		}
		f.end()
	})
}
