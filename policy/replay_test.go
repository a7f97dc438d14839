package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// hotting is a fleet of two whose first host uses so much of its ten CPUs.
func hotting(at time.Time, used policy.MilliCPU) policy.Snapshot {
	v := insteadView()
	v.Now, v.Hosts[0].Used.CPU = at, used
	for i := range v.Hosts {
		v.Hosts[i].Received = time.Time{}
	}
	return policy.SnapshotOf(v)
}

// Relief begins with the fourth snapshot above the mark, and what was decided
// before changes nothing: it is proposed for as long as the load is recorded. The
// window of samples still holds the spike when it is over.
func TestReplay(t *testing.T) {
	r := policy.Replay{Config: policy.DefaultConfig(), Mode: policy.AutoMode}
	want := []policy.Reason{policy.NotOverloaded, policy.Sustaining, policy.Sustaining, policy.Sustaining, policy.OK, policy.OK, policy.Sustaining}
	for i, used := range []policy.MilliCPU{7000, 9000, 9000, 9000, 9000, 9000, 2000} {
		all := r.Next(hotting(start.Add(time.Duration(i)*20*time.Second), used))
		if len(all) != 1 || all[0].Self != "a" {
			t.Fatalf("%d: %+v", i, all)
		}
		d := all[0]
		if d.Hold != want[i] {
			t.Errorf("snapshot %d: %s, want %s", i+1, d.Hold, want[i])
		}
		if (len(d.Plan) > 0) != (want[i] == policy.OK) {
			t.Errorf("snapshot %d: plan %+v", i+1, d.Plan)
		}
	}
	w := windows(t, "UTC", nil, []string{"2000-01-01..2099-01-01 00:00-24:00"})
	r = policy.Replay{Config: policy.DefaultConfig(), Mode: policy.AutoMode, Windows: w}
	r.Config.SamplesOver = 1
	if d := r.Next(hotting(start, 9000))[0]; d.Hold != policy.OutsideWindow || len(d.Plan) != 1 || !strings.Contains(d.HoldText(), "outside the time windows") {
		t.Errorf("in a blackout: %s", d.HoldText())
	}
}

func TestReadSnapshots(t *testing.T) {
	var text strings.Builder
	for i := range 3 {
		if err := hotting(start.Add(time.Duration(i)*time.Minute), 5000).Write(&text); err != nil {
			t.Fatal(err)
		}
	}
	all, err := policy.ReadSnapshots(strings.NewReader(text.String()))
	if err != nil || len(all) != 3 || !all[2].At.Equal(start.Add(2*time.Minute)) {
		t.Fatalf("%d snapshots, %v", len(all), err)
	}
	for _, bad := range []string{`{"hosts": []}`, `{"at": "2030-01-01T00:00:00Z"} {"at": 1}`, `{"at": "2030-01-01T00:00:00Z", "guests": []}`} {
		if all, err := policy.ReadSnapshots(strings.NewReader(bad)); err == nil {
			t.Errorf("%s reads as %+v", bad, all)
		}
	}
}
