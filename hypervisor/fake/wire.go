package fake

import (
	"encoding/json"
	"errors"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// The protocol: one connection per call. The client sends one line of JSON, a
// request; the server answers with any number of lines that hold progress, and
// one last line that does not. A client that closes its side ends the context
// of its call and may still read what came of it.

// maxMessage bounds one line, and the description of a world.
const maxMessage = 4 << 20

// The calls.
const (
	callFacts      = "facts"
	callSample     = "sample"
	callMigrate    = "migrate"
	callWatch      = "watch"
	callAbort      = "abort"
	callLocate     = "locate"
	callDescribe   = "describe"
	callPreflight  = "preflight"
	callHasNetwork = "has_network"
	callSettle     = "settle"
	callSetRules   = "set_rules"
	callDo         = "do"
	callReport     = "report"
)

// request is what a client sends. Each call uses some of the fields.
type request struct {
	Call string `json:"call"`
	Host string `json:"host,omitempty"` // empty is the first

	Domain      policy.DomainID         `json:"domain,omitempty"`
	Transfer    *hypervisor.Transfer    `json:"transfer,omitempty"`
	Description *hypervisor.Description `json:"description,omitempty"`
	Network     string                  `json:"network,omitempty"`
	Handoff     *hypervisor.Handoff     `json:"handoff,omitempty"`
	Rules       *policy.Rules           `json:"rules,omitempty"`
	Action      *Action                 `json:"action,omitempty"`
}

// reply is one line of an answer.
type reply struct {
	Progress *policy.Progress `json:"progress,omitempty"`
	Result   json.RawMessage  `json:"result,omitempty"`
	Error    *wireError       `json:"error,omitempty"`
}

// verdict is the result of Preflight.
type verdict struct {
	Reason policy.Reason `json:"reason"`
	Detail string        `json:"detail,omitempty"`
}

// wireError carries an error with the sentinels that it wraps.
type wireError struct {
	Text string   `json:"text"`
	Is   []string `json:"is,omitempty"`
}

var sentinels = map[string]error{
	"down": ErrDown, "hung": ErrHung, "no_domain": ErrNoDomain, "no_job": ErrNoJob, "unreadable": ErrUnreadable,
}

func toWire(err error) *wireError {
	if err == nil {
		return nil
	}
	e := &wireError{Text: err.Error()}
	for _, name := range []string{"down", "hung", "no_domain", "no_job", "unreadable"} {
		if errors.Is(err, sentinels[name]) {
			e.Is = append(e.Is, name)
		}
	}
	return e
}

func (e *wireError) Error() string { return e.Text }

// Unwrap gives the sentinels back.
func (e *wireError) Unwrap() []error {
	var all []error
	for _, name := range e.Is {
		if err := sentinels[name]; err != nil {
			all = append(all, err)
		}
	}
	return all
}
