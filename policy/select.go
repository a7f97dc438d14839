package policy

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// candidate is a domain that may be moved, with what moving it would bring.
type candidate struct {
	domain *Domain
	// relief is how much of the excess the move takes away; cost the time that
	// the migration is predicted to take.
	relief MilliCPU
	cost   time.Duration
	// wishes are what its groups ask of a target, once somebody has asked: in a
	// large fleet it takes long to find out, and most candidates are never tried.
	wishes []wish
}

// better orders candidates: those that move by themselves before those that
// somebody has to agree to, the lowest priority first, then most relief per
// second of migration, then the smaller domain, then the ID.
func better(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(a.domain.Override, b.domain.Override),
		cmp.Compare(a.domain.Priority, b.domain.Priority),
		cmp.Compare(b.relief.perSecond(b.cost), a.relief.perSecond(a.cost)),
		cmp.Compare(a.domain.Demand.CPU, b.domain.Demand.CPU),
		cmp.Compare(a.domain.ID, b.domain.ID),
	)
}

func (m MilliCPU) perSecond(d time.Duration) float64 { return float64(m) / d.Seconds() }

// candidates returns the domains of the host that could relieve it, best
// first, and a verdict for each of the others.
//
// What counts is the load that will be gone when the migration has ended, so
// the forecast. Relief beyond twice the excess counts for nothing: some margin
// saves the next move, for load that made a host overloaded tends to go on
// growing; but no more, for the bigger a domain, the fewer hosts have room. A
// domain that takes away less than a twentieth of the excess is not worth a
// migration.
func (c Config) candidates(v View, self Host, why Reason) ([]candidate, []Verdict) {
	const margin, worthwhile = 2, 1.0 / 20
	// The smoothed use lags behind a rise: what the last sample says counts, too.
	u := max(self.Used.Share(CPU, self.Capacity), v.Utilization.Recent, v.Utilization.Ahead)
	excess := max(1, (u - c.Marks.Stop).of(self.Capacity.CPU))
	smallest := MilliCPU(math.Ceil(worthwhile * float64(excess)))
	movable := make([]candidate, 0, len(v.Domains))
	verdicts := make([]Verdict, 0, len(v.Domains))
	for i := range v.Domains {
		d := &v.Domains[i]
		stays := obstruction(d)
		switch {
		case stays != OK || why == Drain:
		case d.Override == NeverMove:
			stays = PersonsOnly
		case why == RuleBroken:
			stays = c.mending(&v, &self, d)
		case v.rooted(d):
			stays = GroupHere
		case d.Priority >= HighestPriority && !c.contended(v):
			stays = HighPriority
		case !c.CooledDown(d.History, v.Now):
			stays = CoolingDown
		case d.Demand.CPU+d.Trend < smallest:
			stays = TooSmall
		case why == Contention && u < c.Marks.Stop && d.Wait < c.WaitHigh/2:
			stays = NotNeeded // the host has CPU; whoever waits does so for its own reasons
		}
		if stays != OK {
			verdicts = append(verdicts, Verdict{Domain: d.ID, Name: d.Name, Reason: stays})
			continue
		}
		movable = append(movable, candidate{domain: d, relief: min(d.Demand.CPU+d.Trend, margin*excess), cost: c.predict(d)})
	}
	slices.SortFunc(movable, better)
	return movable, verdicts
}

// mending is why a domain is not moved for the sake of rules; OK when it breaks
// one. That waits for no cooldown, save that a group gathers at leisure. What
// would break another hard rule does not mend anything, but labels come first:
// they say where a domain can run at all.
func (c Config) mending(v *View, self *Host, d *Domain) Reason {
	rule := c.broken(v, self, d)
	switch {
	case rule == OK:
		return NotNeeded
	case rule != LabelMissing && v.rooted(d) && rule != AffinityGroup:
		return GroupHere
	case rule == AffinityGroup && !c.CooledDown(d.History, v.Now):
		return CoolingDown
	default:
		return OK
	}
}

// contended reports whether somebody on the host waits for a CPU, which is what
// it takes to move a domain of the highest priority.
func (c Config) contended(v View) bool {
	return v.longestWait() >= c.contention()
}

// contention is how long a domain of a host waits where there is contention.
func (c Config) contention() Fraction {
	const worthALook = 0.05 // VMware's mark for "CPU ready" of a vCPU
	return cmp.Or(c.WaitHigh, worthALook)
}

// obstruction is why a domain cannot be moved, whatever for.
func obstruction(d *Domain) Reason {
	switch {
	case d.Obstacle != OK:
		return d.Obstacle
	case !d.Known:
		return NoStats
	default:
		return OK
	}
}

// predict is the expected duration of a migration: the guest's memory over the
// bandwidth, and a second for what does not depend on size.
func (c Config) predict(d *Domain) time.Duration {
	const overhead = time.Second
	copying := float64(d.Demand.Memory+d.HugePages) / float64(c.Bandwidth)
	return overhead + time.Duration(copying*float64(time.Second))
}
