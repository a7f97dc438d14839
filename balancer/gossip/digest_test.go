package gossip

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

func drawState(t *rapid.T) policy.HostState {
	load := func(label string) policy.Load {
		return policy.Load{
			CPU:    policy.MilliCPU(rapid.Int64Range(0, 1<<21).Draw(t, label+" cpu")),
			Memory: policy.Bytes(rapid.Int64Range(0, 1<<22).Draw(t, label+" MiB")) * policy.MiB,
		}
	}
	return policy.HostState{
		Used: load("used"), Promised: load("promised"), Reserved: load("reserved"),
		Pressure: policy.Fraction(rapid.IntRange(0, 10000).Draw(t, "pressure")) / 10000,
		Ahead:    policy.Fraction(rapid.IntRange(0, 65535).Draw(t, "ahead")) / 10000,
		Inbound:  rapid.IntRange(0, 255).Draw(t, "in"),
		Outbound: rapid.IntRange(0, 255).Draw(t, "out"),
		Running:  rapid.IntRange(0, math.MaxUint16).Draw(t, "running"),
		Band:     rapid.SampledFrom(policy.Bands()).Draw(t, "band"),
		Flags:    policy.HostFlags(rapid.Uint16().Draw(t, "flags")),
		Groups:   drawGroups(t),
	}
}

func drawGroups(t *rapid.T) (groups policy.GroupSet) {
	for i := range rapid.IntRange(0, policy.GroupsTold).Draw(t, "groups") {
		groups[i] = policy.GroupKey(rapid.Uint16Min(4).Draw(t, "group"))
	}
	return groups
}

func TestDigestSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := digest{
			host: keyOf("a"), epoch: rapid.Uint32().Draw(t, "epoch"), seq: rapid.Uint32().Draw(t, "seq"),
			age:     time.Duration(rapid.IntRange(0, 65535).Draw(t, "age")) * time.Millisecond,
			goodbye: rapid.Bool().Draw(t, "goodbye"), state: drawState(t),
		}
		wire := want.append(nil)
		if len(wire) > DigestMax || len(wire) < recordMin {
			t.Fatalf("%d bytes, want %d..%d", len(wire), recordMin, DigestMax)
		}
		// What a newer version appends is ignored.
		for _, tail := range [][]byte{nil, {1}, bytes.Repeat([]byte{0xff}, recordMax-len(wire))} {
			got, err := decodeDigest(append(slices.Clip(wire), tail...))
			if err != nil || got != want {
				t.Fatalf("with %d bytes behind it: got %+v, %v\nwant %+v", len(tail), got, err, want)
			}
		}
		// A version that told no groups ended before them, one that did not
		// forecast after them, one that reserved nothing after that.
		const forecast, reserved = 2, 2 // bytes, of the shortest
		before := want
		before.state.Reserved = policy.Load{}
		noReserve := len(before.append(nil)) - reserved
		if got, err := decodeDigest(wire[:noReserve]); err != nil || got != before {
			t.Fatalf("without a reserve: got %+v, %v\nwant %+v", got, err, before)
		}
		before.state.Ahead = 0
		noForecast := noReserve - forecast
		if got, err := decodeDigest(wire[:noForecast]); err != nil || got != before {
			t.Fatalf("without a forecast: got %+v, %v\nwant %+v", got, err, before)
		}
		before.state.Groups = policy.GroupSet{}
		noGroups := len(before.append(nil)) - 1 - forecast - reserved
		if got, err := decodeDigest(wire[:noGroups]); err != nil || got != before {
			t.Fatalf("without groups: got %+v, %v\nwant %+v", got, err, before)
		}
		for n := range wire {
			if n == noGroups || n == noForecast || n == noReserve {
				continue
			}
			if _, err := decodeDigest(wire[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes passed for a digest", n, len(wire))
			}
		}
	})
}

func TestDigestIsBoundedWhateverTheState(t *testing.T) {
	worst := policy.HostState{
		Used:     policy.Load{CPU: math.MaxInt64, Memory: math.MaxInt64 - policy.MiB},
		Promised: policy.Load{CPU: math.MaxInt64, Memory: math.MaxInt64 - policy.MiB},
		Reserved: policy.Load{CPU: math.MaxInt64, Memory: math.MaxInt64 - policy.MiB},
		Pressure: policy.Fraction(math.Inf(1)), Ahead: policy.Fraction(math.Inf(1)), Running: math.MaxInt, Inbound: math.MaxInt, Outbound: math.MaxInt,
		Band: math.MaxUint8, Flags: math.MaxUint16,
	}
	for i := range worst.Groups {
		worst.Groups[i] = math.MaxUint16
	}
	wire := digest{epoch: math.MaxUint32, seq: math.MaxUint32, age: math.MaxInt64, goodbye: true, state: worst}.append(nil)
	if len(wire) != DigestMax {
		t.Errorf("the longest digest has %d bytes, DigestMax is %d", len(wire), DigestMax)
	}

	nonsense := policy.HostState{
		Used: policy.Load{CPU: -1, Memory: -1}, Promised: policy.Load{CPU: math.MinInt64, Memory: math.MinInt64},
		Pressure: policy.Fraction(math.NaN()), Ahead: policy.Fraction(math.NaN()), Running: -1, Inbound: -1, Outbound: -1,
	}
	got, err := decodeDigest(digest{state: nonsense}.append(nil))
	if err != nil || got.state != (policy.HostState{}) {
		t.Errorf("nonsense was sent as %+v, %v; want an empty state", got.state, err)
	}
}

func TestMemoryIsRoundedUp(t *testing.T) {
	for _, tt := range []struct {
		in   policy.Bytes
		want uint64
	}{{0, 0}, {1, 1}, {policy.MiB, 1}, {policy.MiB + 1, 2}, {policy.GiB, 1024}} {
		if got := mebibytes(tt.in); got != tt.want {
			t.Errorf("mebibytes(%d) = %d, want %d", tt.in, got, tt.want)
		}
	}
}

func TestUnknownBandReadsAsUnknown(t *testing.T) {
	d, err := decodeDigest(digest{state: policy.HostState{Band: policy.BandCritical + 1}}.append(nil))
	if err != nil || d.state.Band != policy.BandUnknown {
		t.Errorf("got %s, %v", d.state.Band, err)
	}
}
