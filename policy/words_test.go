package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
)

// What one daemon writes another of a different version reads: the numbers of
// the constants stay inside the process.
func TestPresenceAndResultAreWrittenInWords(t *testing.T) {
	type message struct {
		Presence policy.Presence `json:"presence"`
		Result   policy.Result   `json:"result"`
	}
	for state := policy.StateUnknown; state <= policy.StateCrashed; state++ {
		for job := policy.NoJob; job <= policy.MigratingIn; job++ {
			for result := policy.Unknown; result <= policy.Aborted; result++ {
				in := message{policy.Presence{State: state, Job: job}, result}
				b, err := json.Marshal(in)
				if err != nil {
					t.Fatal(err)
				}
				var out message
				if err := json.Unmarshal(b, &out); err != nil {
					t.Fatalf("read %s: %v", b, err)
				}
				if out != in {
					t.Errorf("%s read as %+v, want %+v", b, out, in)
				}
			}
		}
	}
}

// A word that this version does not know permits nothing.
func TestUnknownWordsReadAsTheCautiousValue(t *testing.T) {
	var p policy.Presence
	err := json.Unmarshal([]byte(`{"known":true,"active":true,"state":"levitating","job":"teleporting"}`), &p)
	if err != nil {
		t.Fatal(err)
	}
	if p.State != policy.StateUnknown || p.Job != policy.OtherJob || p.Running() {
		t.Errorf("got %+v, want an unknown state, another job, not running", p)
	}
	result := policy.Succeeded
	if err := json.Unmarshal([]byte(`"sublimated"`), &result); err != nil {
		t.Fatal(err)
	}
	if result != policy.Unknown {
		t.Errorf("got %v, want unknown", result)
	}
}
