package policytest

import (
	"fmt"
	"strings"

	"github.com/virtbalance/virtbalance/policy"
)

// shortage is what the last decision says would help.
func (r *Runner) shortage() string {
	s := r.Decision.Shortage
	if s == nil {
		return "none\n"
	}
	var b strings.Builder
	if s.Domain != "" {
		fmt.Fprintf(&b, "a host for %s would help: %s, %s\n", s.Name, s.Size.CPU, s.Size.Memory)
	}
	for _, t := range s.Tally {
		fmt.Fprintf(&b, "%s %d\n", t.Reason, t.Count)
	}
	return b.String()
}

// room is what the fleet has room for.
func (r *Runner) room(size policy.Load) string {
	h := r.Config.Headroom(r.View, size)
	survives := "survives"
	if !h.Survives {
		survives = "does not survive"
	}
	return fmt.Sprintf("%d more on %d hosts, then %s\n%s the loss of %s\n", h.Domains, h.Hosts, h.Binding, survives, h.Hardest)
}
