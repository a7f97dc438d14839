package peer

import (
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// ReserveRequest asks a target to take a domain in.
type ReserveRequest struct {
	Op          policy.OpID            `json:"op"`
	Move        policy.Move            `json:"move"`
	Description hypervisor.Description `json:"description"`
	// Handoff is what the target sets once the domain has arrived, even if the
	// source can no longer say that it has.
	Handoff hypervisor.Handoff `json:"handoff"`
}

// LocateRequest asks where a domain is.
type LocateRequest struct {
	Domain policy.DomainID `json:"domain"`
	// Alarm is there when whoever asks calls for a person.
	Alarm *Alarm `json:"alarm,omitempty"`
}

// Alarm tells the target of an operation that a person must look at its domain.
type Alarm struct {
	Op     policy.OpID   `json:"op"`
	Name   string        `json:"name"`
	Reason policy.Reason `json:"reason"`
}

// ReserveReply is the target's answer: policy.OK is yes.
type ReserveReply struct {
	Reason policy.Reason `json:"reason"`
	Detail string        `json:"detail,omitempty"`
	// Host is the target as it sees itself, fresher than gossip.
	Host policy.Host `json:"host"`
}

// FinishRequest ends an operation on the target.
type FinishRequest struct {
	Op      policy.OpID        `json:"op"`
	Move    policy.Move        `json:"move"`
	Result  policy.Result      `json:"result"`
	Handoff hypervisor.Handoff `json:"handoff"`
}
