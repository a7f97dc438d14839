package gossip

import (
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestInterval(t *testing.T) {
	for _, tt := range []struct {
		hosts int
		want  time.Duration
	}{{1, 2 * time.Second}, {200, 2 * time.Second}, {300, 3 * time.Second}, {1000, 10 * time.Second}} {
		if got := interval(2*time.Second, tt.hosts); got != tt.want {
			t.Errorf("%d hosts: %s, want %s", tt.hosts, got, tt.want)
		}
	}
}

func TestDue(t *testing.T) {
	const every = 4 * time.Second
	normal := policy.HostState{Band: policy.BandNormal}
	high := policy.HostState{Band: policy.BandHigh}
	draining := policy.HostState{Band: policy.BandNormal, Flags: policy.Draining}
	busier := policy.HostState{Band: policy.BandNormal, Running: 9}

	for _, tt := range []struct {
		name  string
		next  policy.HostState
		after time.Duration // since a normal state was sent
		want  time.Duration
	}{
		{"a usual change waits for the interval", busier, time.Second, 3 * time.Second},
		{"and no longer", busier, 5 * time.Second, 0},
		{"a change of band goes at once", high, time.Second, 0},
		{"a change of flags goes at once", draining, 2 * time.Second, 0},
		{"but keeps a distance", high, 250 * time.Millisecond, 750 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o outbox
			if _, ok := o.due(noon, every); ok {
				t.Fatal("something is due before anything was published")
			}
			o.put(normal, noon)
			if wait, ok := o.due(noon, every); !ok || wait != 0 {
				t.Fatalf("the first state waits %s, %v", wait, ok)
			}
			o.next(hostKey{}, noon, every)
			now := noon.Add(tt.after)
			if _, ok := o.due(now, every); ok {
				t.Fatal("what was sent is due again")
			}
			o.put(tt.next, now)
			wait, ok := o.due(now, every)
			if !ok || wait != tt.want {
				t.Errorf("due in %s, %v; want %s", wait, ok, tt.want)
			}
		})
	}
}

func TestAgain(t *testing.T) {
	var o outbox
	if o.again(); o.unsent {
		t.Error("a state is due before there is one")
	}
	o.put(policy.HostState{Running: 3}, noon)
	o.next(hostKey{}, noon, time.Second)
	o.again()
	if wait, ok := o.due(noon, time.Second); !ok || wait != time.Second {
		t.Errorf("due in %s, %v; want the interval to be kept", wait, ok)
	}
	record, born, _ := o.next(hostKey{}, noon.Add(time.Second), time.Second)
	if d, err := decodeDigest(record); err != nil || d.seq != 2 || d.state.Running != 3 || !born.Equal(noon) {
		t.Errorf("sent again as %+v, born %s, %v", d, born, err)
	}
}

func TestEarlyIsCountedOnlyWhenEarly(t *testing.T) {
	var o outbox
	send := func(s policy.HostState, at time.Time) bool {
		o.put(s, at)
		_, _, early := o.next(hostKey{}, at, 2*time.Second)
		return early
	}
	for i, step := range []struct {
		s    policy.HostState
		at   time.Duration
		want bool
	}{
		{policy.HostState{Band: policy.BandLow}, 0, false},
		{policy.HostState{Band: policy.BandHigh}, time.Second, true},
		{policy.HostState{Band: policy.BandHigh}, 3 * time.Second, false},
		{policy.HostState{Band: policy.BandLow}, 10 * time.Second, false},
	} {
		if got := send(step.s, noon.Add(step.at)); got != step.want {
			t.Errorf("step %d: early %v, want %v", i, got, step.want)
		}
	}
}
