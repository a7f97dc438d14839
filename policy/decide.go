package policy

import (
	"cmp"
	"slices"
	"time"
)

// Policy decides. It holds nothing but its configuration.
type Policy struct {
	Config Config
}

// Decision is what to do now, and why everything else is not done.
type Decision struct {
	At   time.Time `json:"at"`
	Self HostID    `json:"self"`
	Band Band      `json:"band"`
	// High is the high mark in force, which a detector may have moved.
	High Fraction `json:"high,omitempty"`
	// Plan holds the proposed moves, the first to be made first.
	Plan []Move `json:"plan,omitempty"`
	// Hold is why the plan is empty or must not be executed; OK when its head
	// may be.
	Hold Reason `json:"hold"`
	// Shortage says what would help when nobody takes anything; nil otherwise.
	Shortage *Shortage `json:"shortage,omitempty"`
	// Opens is when moves may begin again that are held because of the time.
	Opens time.Time `json:"opens,omitzero"`
	// Verdicts name, for every domain that stays, why; and for every host that
	// was considered for one of them, why not that host. In the order of their
	// domains, then hosts.
	Verdicts []Verdict `json:"verdicts,omitempty"`
}

// Verdict is one reason for not moving: of a domain, or of a domain to a host.
type Verdict struct {
	Domain DomainID `json:"domain"`
	Name   string   `json:"name"`
	Host   HostID   `json:"host,omitempty"`
	Reason Reason   `json:"reason"`
}

// Decide is the whole brain: facts in, one decision out, and the memory for
// the next one. It changes neither argument.
func (p Policy) Decide(v View, s State) (Decision, State) {
	c := p.Config.inForce()
	d := Decision{At: v.Now, Self: v.Self}

	self, ok := v.Host(v.Self)
	if !ok {
		d.Hold = NoSample
		return d, s
	}
	d.Band = c.Marks.Band(self.Used.Share(CPU, self.Capacity))
	c, v = c.adapt(v, &s)
	d.High = c.Marks.High

	why, need := Overload, c.detect(v, &s)
	if c.WaitHigh > 0 {
		why = Contention
	}
	if self.Flags.Has(Draining) { // the operator's word, whatever the load
		why, need = Drain, OK
	}
	if owed := c.payDebt(v, s, self, d); len(owed.Plan) > 0 {
		return owed.permitted(v), s
	}
	hold := cmp.Or(c.gate(v, s, self, why), need)
	mend := why != Drain && c.misplaces(&v, &self) && c.gate(v, s, self, RuleBroken) == OK
	if !mend && (hold == NotOverloaded || hold == NoContention) {
		var done Decision
		if done, s = c.strategic(v, s, self, d); len(done.Plan) > 0 {
			return done.permitted(v), s
		}
	}
	if hold != OK && !mend {
		return d.hold(v, hold), s
	}
	rest := v
	if mend {
		rest, d = c.plan(rest, s, d, RuleBroken)
	}
	if hold == OK {
		_, d = c.plan(rest, s, d, why)
	}
	return d.permitted(v), s
}

// HoldText is Hold for people: a clause without a full stop.
func (d Decision) HoldText() string {
	if d.Hold != OutsideWindow || d.Opens.IsZero() {
		return d.Hold.Text()
	}
	return d.Hold.Text() + "; the next opens on " + d.Opens.Format(openingLayout)
}

// openingLayout is how people read when a window opens.
const openingLayout = "Mon 2006-01-02 15:04 MST"

// permitted is the decision with what keeps its plan from being executed.
func (d Decision) permitted(v View) Decision {
	if len(d.Plan) > 0 {
		d.Shortage = nil // what mends a rule may have found none, and relief one
	}
	switch {
	case len(d.Plan) == 0:
		d.Hold = NoFeasibleHost
	case v.Conditions.Paused:
		d.Hold = PausedByOperator
	case d.Plan[0].Why == Drain: // the operator has said so, in whatever mode
	case v.Conditions.Closed && d.Plan[0].Why != RuleBroken: // rules are somebody's word, too
		d.Hold, d.Opens = OutsideWindow, v.Conditions.Opens
	case v.Conditions.Mode == ApproveMode:
		d.Hold = NeedsApproval
	case v.Conditions.Mode != AutoMode:
		d.Hold = DryRun
	default:
		if dom, _ := v.Domain(d.Plan[0].Domain); dom.Override == ApproveMove && d.Plan[0].Why != Drain {
			d.Hold = NeedsApproval
		}
	}
	return d
}

// gate is why this host must start nothing at all, whatever its load. The
// order is that of what an operator would want to hear first.
func (c Config) gate(v View, s State, self Host, why Reason) Reason {
	quorum := float64(c.Quorum) * float64(max(v.Conditions.Known, len(v.Hosts)))
	fresh := v.fresh(c.StaleAfter, max(2, int(quorum)+1))
	switch {
	case v.Conditions.Frozen:
		return FrozenHost
	case v.Conditions.Conflict:
		return NameConflict
	case v.Conditions.JournalUnwritable:
		return JournalUnwritable
	case v.Now.Before(s.BrokenUntil):
		return BreakerOpen
	case len(v.Domains) == 0:
		return NoDomains
	case fresh == 1:
		return Alone
	case float64(fresh) <= quorum:
		return Minority
	case self.Outbound >= c.MaxOutbound:
		return InFlight
	case why == Drain || why == RuleBroken || why == Swap:
		return OK // settling is for judging the load, which these do not
	case v.Now.Before(s.SettleUntil):
		return Settling
	default:
		return OK
	}
}

// fresh counts the hosts that were heard from lately, this one included, up to
// as many as are of interest: the fleet may be large.
func (v *View) fresh(within time.Duration, enough int) int {
	if v.Conditions.Fresh > 0 {
		return v.Conditions.Fresh
	}
	n := 1
	oldest := v.Now.Add(-within)
	for i := range v.Hosts {
		if n >= enough {
			break
		}
		if h := &v.Hosts[i]; h.ID != v.Self && !h.Received.Before(oldest) {
			n++
		}
	}
	return n
}

// plan moves domains in thought, best first, until the host needs no more
// relief or the plan is full. It returns the view with them moved, save the one
// that fills the plan.
func (c Config) plan(v View, s State, d Decision, why Reason) (View, Decision) {
	for len(d.Plan) < c.MaxMoves {
		self, _ := v.Host(v.Self)
		if len(d.Plan) > 0 && c.relieved(v, self, why) {
			break
		}
		m, verdicts, ok := c.next(v, s, self, why)
		d.Verdicts = verdicts
		if !ok && len(d.Plan) == 0 {
			if d = c.proposeSwap(v, s, self, why, d); len(d.Plan) == 0 {
				d.Shortage = c.shortage(v, s, self, why)
			}
			return v, d
		}
		if !ok {
			break
		}
		d.Plan = append(d.Plan, m)
		if len(d.Plan) < c.MaxMoves {
			v = v.Apply(m)
		}
	}
	return v, d
}

// relieved reports whether the host needs no further move.
func (c Config) relieved(v View, self Host, why Reason) bool {
	switch why {
	case Drain, RuleBroken:
		return false // as long as there is a candidate
	case Contention:
		return !c.bothered(v)
	default:
		return self.Used.Share(CPU, self.Capacity) < c.Marks.Stop
	}
}

// next is the best single move, and a verdict on each domain that is not it.
func (c Config) next(v View, s State, self Host, why Reason) (Move, []Verdict, bool) {
	movable, verdicts := c.candidates(v, self, why)
	ch := &choice{view: v, state: s, from: self, why: why}
	ch.open, ch.closed = c.targets(v)
	ch.most = widest(ch.open)
	var chosen Move
	found := false
	for i := range movable {
		cand := &movable[i]
		stay := Verdict{Domain: cand.domain.ID, Name: cand.domain.Name, Reason: NotNeeded}
		if !found {
			if chosen, found = c.place(ch, cand); found {
				continue
			}
			stay.Reason = NoFeasibleHost
			verdicts = c.refusals(ch, cand, verdicts)
		}
		verdicts = append(verdicts, stay)
	}
	sortVerdicts(verdicts)
	return chosen, verdicts, found
}

// hold is the decision not to start anything, with that reason for each domain.
func (d Decision) hold(v View, why Reason) Decision {
	d.Hold = why
	d.Verdicts = make([]Verdict, len(v.Domains))
	for i := range v.Domains {
		d.Verdicts[i] = Verdict{Domain: v.Domains[i].ID, Name: v.Domains[i].Name, Reason: why}
	}
	sortVerdicts(d.Verdicts)
	return d
}

func sortVerdicts(verdicts []Verdict) {
	slices.SortFunc(verdicts, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Host, b.Host))
	})
}
