package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

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
// has now: policy.OK, or the reason with the detail for people. A host that is
// asked more than it bears is asked again until ctx ends.
func (c *Client) Preflight(ctx context.Context, e policy.Endpoint, target policy.HostID, d hypervisor.Description) (policy.Reason, string, error) {
	for {
		reply, err := ask[preflightReply](ctx, c, e, target, pathPreflight, preflightRequest{d})
		var told *Error
		switch {
		case err == nil:
			return reply.Reason, reply.Detail, nil
		case errors.As(err, &told) && (told.Code == RefusedRequests.String() || told.Code == RefusedRequestsTotal.String()):
			if wait(ctx, 250*time.Millisecond) {
				continue
			}
		}
		return ReasonOf(err), "", fmt.Errorf("pre-flight of %s on %s: %w", d.Domain, target, err)
	}
}

// wait is false if ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Validate checks the form and the bounds of every field.
func (r preflightRequest) Validate() error { return validDescription(r.Description) }

// Validate checks the detail's bounds.
func (r preflightReply) Validate() error { return text("detail", r.Detail, detailMax) }
