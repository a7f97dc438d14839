package policy

// Disagreement is how a shadow decides otherwise than the policy in force. A
// shadow is a second configuration that is asked the same questions and whose
// answers nobody carries out: how another mark or strategy would do on this host
// can be seen before it is put in force.
type Disagreement string

// The disagreements.
const (
	// Agreed: both propose the same move first, or neither proposes any.
	Agreed Disagreement = "agreed"
	// WouldMove: the shadow proposes a move, the policy in force none.
	WouldMove Disagreement = "would_move"
	// WouldStay: the policy in force proposes a move, the shadow none.
	WouldStay Disagreement = "would_stay"
	// OtherDomain: each would move another domain first.
	OtherDomain Disagreement = "other_domain"
	// OtherHost: the same domain, to another host.
	OtherHost Disagreement = "other_host"
)

// Disagreements returns all of them, in the order in which they are documented.
func Disagreements() []Disagreement {
	return []Disagreement{Agreed, WouldMove, WouldStay, OtherDomain, OtherHost}
}

// Disagrees says how the decision of a shadow differs from the one in force. What
// both propose is compared, whether or not the mode lets it be done.
func (d Decision) Disagrees(shadow Decision) Disagreement {
	switch {
	case len(d.Plan) == 0 && len(shadow.Plan) == 0:
		return Agreed
	case len(d.Plan) == 0:
		return WouldMove
	case len(shadow.Plan) == 0:
		return WouldStay
	case d.Plan[0].Domain != shadow.Plan[0].Domain:
		return OtherDomain
	case d.Plan[0].To != shadow.Plan[0].To:
		return OtherHost
	default:
		return Agreed
	}
}

// Shadow is the state for the next decision of a shadow: what it has counted
// itself, by its own marks, and all else as it has really come to pass, for the
// moves that are made are those of the policy in force.
func (s State) Shadow(counted State) State {
	s.Counted, s.Over, s.OverSince, s.Uses = counted.Counted, counted.Over, counted.OverSince, counted.Uses
	s.Relieving, s.Emptying = counted.Relieving, counted.Emptying
	return s
}
