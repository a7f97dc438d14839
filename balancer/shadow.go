package balancer

import (
	"context"
	"log/slog"

	"github.com/virtbalance/virtbalance/policy"
)

// Shadow is what a second configuration of the policy would have done. Nothing
// that it decides is carried out.
type Shadow struct {
	Decision policy.Decision
	// Disagreement is with the decision in force; empty if there is no shadow.
	Disagreement policy.Disagreement

	state policy.State
}

// decided is the shadow after one more decision, on the same view, and from the
// same state as far as that is not for it to count.
func (s Shadow) decided(config *policy.Config, v policy.View, inForce policy.State, d policy.Decision) Shadow {
	if config == nil {
		return Shadow{}
	}
	s.Decision, s.state = policy.Policy{Config: *config}.Decide(v, inForce.Shadow(s.state))
	s.Disagreement = d.Disagrees(s.Decision)
	return s
}

// logShadow writes a line when the shadow begins to disagree, disagrees in another
// way, or agrees again.
func (b *Balancer) logShadow(s Shadow) {
	was := b.lastShadow
	b.lastShadow = s.Disagreement
	if s.Disagreement == was || was == "" && s.Disagreement == policy.Agreed {
		return
	}
	attrs := []slog.Attr{slog.String("disagreement", string(s.Disagreement)), slog.String("hold", s.Decision.Hold.String())}
	if len(s.Decision.Plan) > 0 {
		m := s.Decision.Plan[0]
		attrs = append(attrs, slog.String("domain", m.Name), slog.String("to", string(m.To)), slog.String("why", m.Why.String()))
	}
	b.log.LogAttrs(context.Background(), slog.LevelInfo, "shadow", attrs...)
}
