package peer

import (
	"context"
	"fmt"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// preflightRequest asks a host whether it could run a domain. Nothing is promised.
type preflightRequest struct {
	Description hypervisor.Description `json:"description"`
}

type preflightReply struct {
	Reason policy.Reason `json:"reason"`
	Detail string        `json:"detail,omitempty"`
}

// Preflight asks a host whether it could run a domain of this host, whatever room it
// has now: policy.OK, or the reason with the detail for people.
func (c *Client) Preflight(ctx context.Context, e policy.Endpoint, target policy.HostID, d hypervisor.Description) (policy.Reason, string, error) {
	reply, err := askPatiently[preflightReply](ctx, c, e, target, pathPreflight, preflightRequest{d})
	if err != nil {
		return ReasonOf(err), "", fmt.Errorf("pre-flight of %s on %s: %w", d.Domain, target, err)
	}
	return reply.Reason, reply.Detail, nil
}

// Validate checks the form and the bounds of every field.
func (r preflightRequest) Validate() error { return validDescription(r.Description) }

// Validate checks the detail's bounds.
func (r preflightReply) Validate() error { return text("detail", r.Detail, detailMax) }
