package balancer

import (
	"reflect"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func TestTimeline(t *testing.T) {
	start := time.Unix(1_900_000_000, 0)
	host := func(id policy.HostID, used policy.MilliCPU, heard time.Time) policy.Host {
		return policy.Host{
			HostFacts: policy.HostFacts{ID: id, Capacity: policy.Load{CPU: 4000}},
			HostState: policy.HostState{Used: policy.Load{CPU: used}}, Received: heard,
		}
	}
	var line timeline
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	line.observe(at(0), []policy.Host{host("a", 1000, at(0)), host("b", 5000, at(0))}, time.Minute)
	line.observe(at(1), []policy.Host{host("a", 4000, at(1))}, time.Minute) // too soon
	line.observe(at(20), []policy.Host{host("a", 2000, at(20)), host("c", 0, at(20))}, time.Minute)
	line.observe(at(100), []policy.Host{host("a", 3000, at(100)), host("b", 400, at(1))}, time.Minute)

	ms := func(second int) int64 { return at(second).UnixMilli() }
	want := api.Timeline{
		At:       []int64{ms(0), ms(20), ms(100)},
		Permille: map[policy.HostID][]int{"a": {250, 500, 750}, "b": {1250, -1, -1}, "c": {-1, 0, -1}},
	}
	if got := line.since(time.Time{}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want = api.Timeline{At: []int64{ms(100)}, Permille: map[policy.HostID][]int{"a": {750}, "b": {-1}, "c": {-1}}}
	if got := line.since(at(20)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}

	// The ring forgets what is old, and hosts that have left.
	for i := range 2 * timelineLength {
		now := at(200 + 20*i)
		line.observe(now, []policy.Host{host("a", 1000, now)}, time.Minute)
	}
	got := line.since(time.Time{})
	if len(got.At) != timelineLength || len(got.Permille) != 1 || len(got.Permille["a"]) != timelineLength {
		t.Errorf("%d points of %d hosts are kept", len(got.At), len(got.Permille))
	}
	for i := 1; i < len(got.At); i++ {
		if got.At[i]-got.At[i-1] != 20_000 {
			t.Fatalf("point %d is %d ms after the one before it", i, got.At[i]-got.At[i-1])
		}
	}
}
