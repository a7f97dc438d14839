package operation

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

var start = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

func presence(active bool, state policy.DomainState, job policy.Job, defined bool) policy.Presence {
	return policy.Presence{Known: true, Active: active, State: state, Job: job, Defined: defined}
}

var (
	running = presence(true, policy.StateRunning, policy.NoJob, true)
	leaving = presence(true, policy.StateRunning, policy.MigratingOut, true)
	husk    = presence(true, policy.StatePaused, policy.NoJob, true)
	waiting = presence(true, policy.StatePaused, policy.MigratingIn, false)
	absent  = presence(false, policy.StateUnknown, policy.NoJob, false)
	off     = presence(false, policy.StateShutoff, policy.NoJob, true)
	unknown = policy.Presence{}
)

func TestEstablish(t *testing.T) {
	aborted := policy.Outcome{Result: policy.Aborted, Reason: policy.DeadlineExceeded}
	gone := policy.Outcome{Result: policy.Failed, Reason: policy.SourceGone}
	for _, tt := range []struct {
		name           string
		source, target policy.Presence
		claimed        policy.Outcome
		want           Conclusion
	}{
		{"moved", absent, running, policy.Outcome{}, Conclusion{Settled, policy.Succeeded, policy.Completed}},
		{"moved, definition left behind", off, running, policy.Outcome{}, Conclusion{Settled, policy.Succeeded, policy.Completed}},
		{"moved, then shut down", absent, off, policy.Outcome{}, Conclusion{Settled, policy.Succeeded, policy.Completed}},
		{"stayed", running, absent, policy.Outcome{}, Conclusion{Settled, policy.Failed, policy.Interrupted}},
		{"stayed, aborted", running, absent, aborted, Conclusion{Settled, policy.Aborted, policy.DeadlineExceeded}},
		{"stayed, or soon on both", running, waiting, policy.Outcome{}, Conclusion{Reason: policy.NotLocated}},
		{"stayed, then shut down", off, absent, policy.Outcome{}, Conclusion{Settled, policy.Failed, policy.SourceGone}},
		{"transient, shut down", absent, absent, gone, Conclusion{Settled, policy.Failed, policy.SourceGone}},
		{"on its way", leaving, waiting, policy.Outcome{}, Conclusion{Verdict: StillMigrating}},
		{"on its way, target silent", leaving, unknown, policy.Outcome{}, Conclusion{Verdict: StillMigrating}},
		{"on both", running, running, policy.Outcome{}, Conclusion{Reason: policy.Duplicated}},
		{"on neither", absent, absent, policy.Outcome{}, Conclusion{Reason: policy.Lost}},
		{"husk at the source", husk, running, policy.Outcome{}, Conclusion{Reason: policy.PausedAtSource}},
		{"paused at the source, nothing at the target", husk, absent, policy.Outcome{}, Conclusion{Reason: policy.PausedAtSource}},
		{"source silent", unknown, running, policy.Outcome{}, Conclusion{Reason: policy.NotLocated}},
		{"target silent", absent, unknown, policy.Outcome{}, Conclusion{Reason: policy.NotLocated}},
		{"target silent, runs here", running, unknown, aborted, Conclusion{Reason: policy.NotLocated}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Establish(tt.source, tt.target, tt.claimed); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// drive performs the operation against scripted answers, one for each action,
// and returns the actions that were asked for.
func drive(t *testing.T, o Operation, answers ...Event) (Operation, []Action) {
	t.Helper()
	o, action := o.First(start)
	actions := []Action{action}
	for _, e := range answers {
		o, action = o.Next(start, e)
		actions = append(actions, action)
	}
	return o, actions
}

func TestHappyPath(t *testing.T) {
	o, actions := drive(t, Open(start, "op", policy.Move{}, policy.Endpoint{}),
		Described{}, Answered{}, Rechecked{}, Ended{policy.Outcome{Result: policy.Succeeded, Downtime: time.Millisecond}},
		Located{absent, running}, Told{})
	want := []Action{Describe, Reserve, Recheck, Migrate, Locate, Tell, Stop}
	for i := range want {
		if actions[i] != want[i] {
			t.Fatalf("actions %v, want %v", actions, want)
		}
	}
	if o.Phase != Done || o.Outcome.Reason != policy.Completed || o.Outcome.Downtime != time.Millisecond {
		t.Errorf("ended as %s with %+v", o.Phase, o.Outcome)
	}
}

func TestRefusalStartsNothing(t *testing.T) {
	o, actions := drive(t, Open(start, "op", policy.Move{}, policy.Endpoint{}),
		Described{}, Answered{Reply: peer.ReserveReply{Reason: policy.HostMemory}})
	if o.Phase != Failed || o.Outcome.Reason != policy.HostMemory || actions[len(actions)-1] != Stop {
		t.Errorf("ended as %s with %+v after %v", o.Phase, o.Outcome, actions)
	}
}

func TestSilenceReleasesThePromise(t *testing.T) {
	o, actions := drive(t, Open(start, "op", policy.Move{}, policy.Endpoint{}),
		Described{}, Answered{Err: errors.New("timeout")}, Told{Err: errors.New("timeout")})
	if o.Phase != Failed || o.Outcome.Reason != policy.Unreachable || actions[2] != Tell {
		t.Errorf("ended as %s with %+v after %v", o.Phase, o.Outcome, actions)
	}
}

// TestAmbiguityWaits: while one host is silent the operation only looks.
func TestAmbiguityWaits(t *testing.T) {
	o := Open(start, "op", policy.Move{}, policy.Endpoint{})
	o, _ = drive(t, o, Described{}, Answered{}, Rechecked{}, Ended{policy.Outcome{Result: policy.Failed, Reason: policy.ConnectionLost}})
	var action Action
	for range 100 {
		if o, action = o.Next(start, Located{absent, unknown}); action != Wait {
			t.Fatalf("action %s while the target is silent", action)
		}
		if o, action = o.Next(start, Waited{}); action != Locate {
			t.Fatalf("action %s after waiting", action)
		}
	}
	if o.Phase != Unknown || o.Alarm() != policy.NotLocated || o.Delay() != 30*time.Second {
		t.Errorf("phase %s, alarm %s, delay %s", o.Phase, o.Alarm(), o.Delay())
	}
	o, action = o.Next(start, Located{running, absent})
	if action != Tell || o.Outcome.Reason != policy.ConnectionLost {
		t.Errorf("%s with %+v after the target answered", action, o.Outcome)
	}
}

// TestNeverClosedByGuess: whatever happens in whatever order, an operation
// that was started is closed only by positive knowledge of both hosts, and an
// open journal entry never asks for another migration.
func TestNeverClosedByGuess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := []policy.Presence{running, leaving, husk, waiting, absent, off, unknown}
		draw := rapid.SampledFrom(places)
		failing := rapid.SampledFrom([]error{nil, errors.New("no answer")})
		now := start
		o, action := Open(now, "op", policy.Move{}, policy.Endpoint{}).First(now)
		disk := o
		migrations, established := 0, false
		for range 60 {
			now = now.Add(time.Second)
			if rapid.IntRange(0, 9).Draw(t, "crash") == 0 && disk.Phase != New {
				o, action = disk.First(now) // the daemon restarts with what the journal holds
			}
			before := o.Phase
			switch action {
			case Stop:
				if !o.Phase.Closed() {
					t.Fatalf("stopped in phase %s", o.Phase)
				}
				return
			case Describe:
				o, action = o.Next(now, Described{Err: failing.Draw(t, "describe")})
			case Reserve:
				o, action = o.Next(now, Answered{Err: failing.Draw(t, "reserve")})
			case Recheck:
				o, action = o.Next(now, Rechecked{rapid.SampledFrom([]policy.Reason{policy.OK, policy.CoolingDown}).Draw(t, "recheck")})
			case Migrate:
				if migrations++; migrations > 1 {
					t.Fatal("migrated twice")
				}
				fallthrough
			case Watch:
				o, action = o.Next(now, Ended{policy.Outcome{Result: rapid.SampledFrom(policy.Results()).Draw(t, "claim")}})
			case Locate:
				src, dst := draw.Draw(t, "source"), draw.Draw(t, "target")
				o, action = o.Next(now, Located{src, dst})
				established = src.Known && dst.Known
			case Tell:
				o, action = o.Next(now, Told{failing.Draw(t, "tell")})
			case Wait:
				if o.Delay() <= 0 {
					t.Fatal("no delay")
				}
				o, action = o.Next(now, Waited{})
			}
			if o.Phase.Closed() && (before == Started || before == Unknown) && !established {
				t.Fatalf("closed as %s without knowing both hosts", o.Phase)
			}
			if o.Phase == before {
				continue
			}
			if rapid.IntRange(0, 5).Draw(t, "disk full") > 0 {
				disk = o
			} else if o, action = o.Next(now, JournalFailed{errors.New("no space left on device")}); action == Migrate {
				t.Fatal("migrated without a journal")
			}
		}
	})
}

// TestEndIsWritten: an operation whose end cannot be written goes on trying;
// one that the journal knows nothing of just ends.
func TestEndIsWritten(t *testing.T) {
	full := func(Operation) error { return errors.New("no space left on device") }
	room := func(Operation) error { return nil }
	o, _ := drive(t, Open(start, "op", policy.Move{}, policy.Endpoint{}),
		Described{}, Answered{}, Rechecked{}, Ended{policy.Outcome{Result: policy.Succeeded}}, Located{absent, running})
	var action Action
	for range 3 {
		if o, action = o.Step(start, Told{}, full); o.Phase != Started || action != Wait {
			t.Fatalf("%s, then %s, with a full disk", o.Phase, action)
		}
		if o, action = o.Step(start, Waited{}, full); action != Tell {
			t.Fatalf("then %s", action)
		}
	}
	if o, action = o.Step(start, Told{}, room); o.Phase != Done || action != Stop {
		t.Errorf("%s, then %s, with room again", o.Phase, action)
	}
	o, action = Open(start, "op", policy.Move{}, policy.Endpoint{}).Step(start, Described{Err: errors.New("gone")}, full)
	if o.Phase != Failed || action != Stop {
		t.Errorf("%s, then %s, of an operation that is not on disk", o.Phase, action)
	}
}

// TestSilenceIsNoAllClear: what calls for a person goes on doing so while a host
// is silent, and no longer once both have answered otherwise.
func TestSilenceIsNoAllClear(t *testing.T) {
	o, _ := drive(t, Open(start, "op", policy.Move{}, policy.Endpoint{}), Described{}, Answered{}, Rechecked{}, Ended{policy.Outcome{}})
	for range graceTries + 1 {
		o, _ = o.Next(start, Located{husk, running})
	}
	if o, _ = o.Next(start, Located{husk, unknown}); o.Alarm() != policy.PausedAtSource {
		t.Errorf("alarm %s while the target is silent", o.Alarm())
	}
	if o, _ = o.Next(start, Located{running, running}); o.Alarm() != policy.Duplicated {
		t.Errorf("alarm %s with two copies", o.Alarm())
	}
	if o, action := o.Next(start, Located{absent, running}); action != Tell || o.Alarm() != policy.OK {
		t.Errorf("%s with the alarm %s when it has been put right", action, o.Alarm())
	}
}
