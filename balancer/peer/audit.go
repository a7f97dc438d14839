package peer

import (
	"context"
	"fmt"
	"math"

	"github.com/virtbalance/virtbalance/policy"
)

// AuditRequest asks the target of a move that succeeded some time ago what it
// has brought. A target that does not know the question answers that the call is
// unknown, and the source takes that for no answer.
type AuditRequest struct {
	Op   policy.OpID `json:"op"`
	Move policy.Move `json:"move"`
	// Late: it is the second audit of the move.
	Late bool `json:"late,omitempty"`
	// Used is the CPU share that the source uses now.
	Used policy.Fraction `json:"used"`
}

type auditReply struct {
	Audit policy.Audit `json:"audit"`
}

// Audit asks the target of a move what it has brought.
func (c *Client) Audit(ctx context.Context, e policy.Endpoint, r AuditRequest) (policy.Audit, error) {
	err := same("move.from", r.Move.From, "this host", c.options.Self)
	var reply auditReply
	if err == nil {
		reply, err = ask[auditReply](ctx, c, e, r.Move.To, pathAudit, r)
	}
	if err != nil {
		return policy.Audit{}, fmt.Errorf("audit %s on %s: %w", r.Op, r.Move.To, err)
	}
	return reply.Audit, nil
}

// Validate checks the form and the bounds of every field.
func (r AuditRequest) Validate() error {
	return first(validOp(r.Op), validMove(r.Move), fraction("used", r.Used))
}

// Validate checks the bounds of every field.
func (r auditReply) Validate() error { return validAudit("audit", r.Audit) }

func validAudit(key string, a policy.Audit) error {
	if err := validGain(key+".gain", a.Gain); err != nil {
		return err
	}
	if !a.At.IsZero() {
		if err := between(key+".at", a.At.Year(), 2000, 2200); err != nil {
			return err
		}
	}
	if a.Seen == nil {
		return nil
	}
	return first(
		fraction(key+".seen.from", a.Seen.From),
		fraction(key+".seen.to", a.Seen.To),
		between(key+".seen.demand_millis", a.Seen.Demand, 0, cpuMax),
		fraction(key+".seen.wait", a.Seen.Wait),
	)
}

// validGain bounds what may be negative.
func validGain(key string, f policy.Fraction) error {
	if g := float64(f); math.IsNaN(g) || math.Abs(g) > float64(fractionMax) {
		return fmt.Errorf("%s (%g) must be between %g and %g", key, g, -float64(fractionMax), float64(fractionMax))
	}
	return nil
}

func validAudits(key string, a policy.Audits) error {
	var err error
	if a.Soon != nil {
		err = validAudit(key+".soon", *a.Soon)
	}
	if a.Late != nil {
		err = first(err, validAudit(key+".late", *a.Late))
	}
	return err
}
