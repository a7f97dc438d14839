package policy

// schedule numbers the moves with steps, from 1: as early as the limits on
// concurrent migrations allow, and not before the moves that make room have
// ended. Relief is over before evening out begins.
//
// The order of the moves stays that in which they were found; carried out in
// that order, one at a time, they are as valid as in steps.
func (c Config) schedule(moves []PlannedMove) {
	type slot struct {
		host HostID
		step int
	}
	in, out := map[slot]int{}, map[slot]int{}
	left := map[HostID]int{} // the last step in which a domain leaves
	relieved := 0            // the last step of relief
	for i := range moves {
		m := &moves[i]
		step := left[m.To] + 1
		if m.Reason == Spread {
			step = max(step, relieved+1)
		}
		for out[slot{m.From, step}] >= c.MaxOutbound || in[slot{m.To, step}] >= c.MaxInbound {
			step++
		}
		m.Step = step
		out[slot{m.From, step}]++
		in[slot{m.To, step}]++
		left[m.From] = max(left[m.From], step)
		if m.Reason != Spread {
			relieved = max(relieved, step)
		}
	}
}
