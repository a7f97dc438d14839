package operation

import (
	"fmt"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Phase is how far an operation has come. The journal holds phases.
type Phase uint8

// The phases. Done, Failed and Aborted are final.
const (
	New Phase = iota
	Intent
	Reserved
	Started
	Unknown
	Done
	Failed
	Aborted
)

var phaseNames = [...]string{"new", "intent", "reserved", "started", "unknown", "done", "failed", "aborted"}

// String names the phase as the journal does.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// Closed reports whether the phase is final.
func (p Phase) Closed() bool { return p == Done || p == Failed || p == Aborted }

// MarshalText writes the name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a name. One that is not known is an error: an operation
// whose phase cannot be read must not be taken for a closed one.
func (p *Phase) UnmarshalText(b []byte) error {
	for i, name := range phaseNames {
		if name == string(b) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("unknown phase %q", b)
}

// Operation is one attempt to move one domain.
type Operation struct {
	ID     policy.OpID     `json:"op"`
	Phase  Phase           `json:"phase"`
	Move   policy.Move     `json:"move"`
	Target policy.Endpoint `json:"target"`
	Opened time.Time       `json:"opened"`
	// Changed is when the phase was entered.
	Changed time.Time `json:"changed"`
	// Begun is when the migration was started; zero if it never was.
	Begun time.Time `json:"begun,omitzero"`

	Description hypervisor.Description `json:"description,omitzero"`
	// Handoff is what the target is to set on the domain once it has arrived.
	Handoff hypervisor.Handoff `json:"handoff,omitzero"`
	// Claimed is how the local hypervisor says the migration ended; Outcome is
	// what has been established.
	Claimed policy.Outcome `json:"claimed,omitzero"`
	Outcome policy.Outcome `json:"outcome,omitzero"`
	// Audits say what has become of a move that succeeded.
	Audits policy.Audits `json:"audits,omitzero"`
	// Tries counts the attempts at the present action.
	Tries int `json:"tries,omitempty"`
}

// Open returns a new operation for a move that a decision proposed.
func Open(now time.Time, id policy.OpID, m policy.Move, target policy.Endpoint) Operation {
	return Operation{ID: id, Phase: New, Move: m, Target: target, Opened: now, Changed: now}
}

// Action is what the driver is to do next.
type Action uint8

// The actions. Each is answered by one event.
const (
	// Stop: the operation is closed; nothing more to do.
	Stop Action = iota
	// Describe the domain, locally -> Described.
	Describe
	// Reserve room on the target -> Answered.
	Reserve
	// Recheck, against the newest local facts, that the move still makes sense
	// and its promise lives -> Rechecked.
	Recheck
	// Migrate, and renew the promise meanwhile -> Ended.
	Migrate
	// Watch a migration that runs already -> Ended.
	Watch
	// Locate the domain on both hosts -> Located.
	Locate
	// Tell the target how it ended -> Told.
	Tell
	// Wait for Operation.Delay -> Waited.
	Wait
)

var actionNames = [...]string{"stop", "describe", "reserve", "recheck", "migrate", "watch", "locate", "tell", "wait"}

// String names the action.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// Event is the answer to an action.
type Event interface{ event() }

// The events.
type (
	// Described carries what Describe found, or why it found nothing.
	Described struct {
		Description hypervisor.Description
		Handoff     hypervisor.Handoff
		Err         error
	}
	// Answered carries the target's answer. With an error there was none, and
	// it is not known whether the target has promised anything.
	Answered struct {
		Reply peer.ReserveReply
		Err   error
	}
	// Rechecked carries policy.OK or why the move is off.
	Rechecked struct{ Reason policy.Reason }
	// Ended carries what the local hypervisor claims.
	Ended struct{ Outcome policy.Outcome }
	// Located carries what both hosts say.
	Located struct{ Source, Target policy.Presence }
	// Told says whether the target has heard.
	Told struct{ Err error }
	// Waited says that the time has passed.
	Waited struct{}
	// JournalFailed says that the last change of phase could not be written.
	JournalFailed struct{ Err error }
)

func (Described) event()     {}
func (Answered) event()      {}
func (Rechecked) event()     {}
func (Ended) event()         {}
func (Located) event()       {}
func (Told) event()          {}
func (Waited) event()        {}
func (JournalFailed) event() {}

// First is the action that begins an operation, or that resumes one found in
// the journal. What had been started is looked for; what had not is given up,
// because the facts that it rested on are old.
func (o Operation) First(now time.Time) (Operation, Action) {
	switch o.Phase {
	case New:
		return o, Describe
	case Intent, Reserved:
		return o.giveUp(now, policy.Cancelled, "the daemon was restarted before the migration began")
	case Started, Unknown:
		return o, Locate
	default:
		return o, Stop
	}
}

// Next takes in the answer to the last action and returns what to do now.
func (o Operation) Next(now time.Time, e Event) (Operation, Action) {
	switch e := e.(type) {
	case Described:
		if e.Err != nil {
			return o.fail(now, policy.LibvirtError, e.Err.Error()), Stop
		}
		o.Description, o.Handoff = e.Description, e.Handoff
		return o.enter(now, Intent), Reserve

	case Answered:
		switch {
		case e.Err != nil: // it may have promised: release it
			return o.giveUp(now, peer.ReasonOf(e.Err), e.Err.Error())
		case e.Reply.Reason != policy.OK:
			return o.fail(now, e.Reply.Reason, e.Reply.Detail), Stop
		default:
			return o.enter(now, Reserved), Recheck
		}

	case Rechecked:
		if e.Reason != policy.OK {
			return o.giveUp(now, e.Reason, "")
		}
		o.Begun = now
		return o.enter(now, Started), Migrate

	case Ended:
		o.Claimed, o.Tries = e.Outcome, 0
		return o, Locate

	case Located:
		return o.located(now, e)

	case Told:
		if e.Err != nil && o.Tries < tellTries {
			o.Tries++
			return o, Wait
		}
		return o.close(now), Stop

	case Waited:
		if o.Outcome.Result != policy.Unknown {
			return o, Tell
		}
		return o, Locate

	case JournalFailed:
		return o.journalFailed(now, e)

	default:
		panic(fmt.Sprintf("operation %s: event %T in phase %s", o.ID, e, o.Phase))
	}
}

// Step is Next with the one rule kept: a change of phase is written, to the
// journal, before the action that comes with it is returned.
//
// An operation whose end cannot be written has not ended: it goes on trying, or
// the next start would look for a domain that may have moved on since.
func (o Operation) Step(now time.Time, e Event, write func(Operation) error) (Operation, Action) {
	next, action := o.Next(now, e)
	if next.Phase == o.Phase {
		return next, action
	}
	err := write(next)
	switch {
	case err == nil:
		return next, action
	case next.Phase.Closed() && o.Phase != New: // the journal knows of it
		o.Outcome, o.Tries = next.Outcome, tellTries-1
		return o, Wait // and then tell once more
	default:
		return next.Next(now, JournalFailed{Err: err})
	}
}

// Delay is how long to Wait: a second at first, for libvirt to tidy up and for
// daemons to restart, and half a minute in the end.
func (o Operation) Delay() time.Duration {
	const longest = 30 * time.Second
	delay := time.Second << min(o.Tries, 10)
	return min(delay, longest)
}

// tellTries bounds how often the target is told. After that its promise
// expires by itself, and it finds the domain there by itself.
const tellTries = 6

// located closes the operation if both hosts' answers allow it.
func (o Operation) located(now time.Time, e Located) (Operation, Action) {
	v := Establish(e.Source, e.Target, o.Claimed)
	if v.Reason == policy.NotLocated && Grave(o.Outcome.Reason) {
		v.Reason = o.Outcome.Reason // a host that fell silent has not put it right
	}
	o.Outcome = o.Claimed
	o.Outcome.Result, o.Outcome.Reason = v.Result, v.Reason
	switch v.Verdict {
	case StillMigrating:
		o.Tries = 0
		return o, Watch
	case Settled:
		o.Tries = 0
		return o, Tell
	default:
		// The hosts may merely be tidying up: the first looks come quickly, and
		// only then is it called unknown.
		if o.Tries++; o.Tries > graceTries && o.Phase != Unknown {
			return o.enter(now, Unknown), Wait
		}
		return o, Wait
	}
}

// Grave tells what a person must put right from what only has to be awaited.
func Grave(why policy.Reason) bool {
	return why == policy.Duplicated || why == policy.PausedAtSource || why == policy.Lost
}

// graceTries is how many looks at a finished migration may be inconclusive
// before it is called unknown.
const graceTries = 3

// Alarm is why a person must look, or OK. Where it is established how the
// migration ended, the operation may be unknown yet: until that is written down.
func (o Operation) Alarm() policy.Reason {
	if o.Phase != Unknown || o.Outcome.Result != policy.Unknown {
		return policy.OK
	}
	return o.Outcome.Reason
}

// giveUp ends an operation that has not been started, and releases what the
// target may have promised.
func (o Operation) giveUp(now time.Time, why policy.Reason, detail string) (Operation, Action) {
	o.Outcome = policy.Outcome{Result: policy.Failed, Reason: why, Detail: detail, Duration: now.Sub(o.Opened)}
	o.Tries = tellTries // once is enough: an unused promise expires
	return o, Tell
}

func (o Operation) fail(now time.Time, why policy.Reason, detail string) Operation {
	o.Outcome = policy.Outcome{Result: policy.Failed, Reason: why, Detail: detail, Duration: now.Sub(o.Opened)}
	return o.close(now)
}

// close enters the final phase that the established outcome calls for.
func (o Operation) close(now time.Time) Operation {
	switch o.Outcome.Result {
	case policy.Succeeded:
		return o.enter(now, Done)
	case policy.Aborted:
		return o.enter(now, Aborted)
	default:
		return o.enter(now, Failed)
	}
}

func (o Operation) enter(now time.Time, p Phase) Operation {
	if o.Phase != p {
		o.Phase, o.Changed, o.Tries = p, now, 0
	}
	return o
}

// journalFailed undoes what must not happen without a journal. The phase that
// could not be written is the one that o is in.
func (o Operation) journalFailed(now time.Time, e JournalFailed) (Operation, Action) {
	switch o.Phase {
	case Intent: // nothing has happened
		return o.fail(now, policy.JournalUnwritable, e.Err.Error()), Stop
	case Reserved, Started: // the migration has not begun: that action comes after the write
		o.Phase, o.Begun = Reserved, time.Time{}
		return o.giveUp(now, policy.JournalUnwritable, e.Err.Error())
	case Unknown:
		return o, Wait
	default: // final: what is on disk makes the next start look again
		return o, Stop
	}
}
