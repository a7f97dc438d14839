package policy

import (
	"cmp"
	"slices"
	"time"
)

// candidate is a domain that may be moved, with what moving it would bring.
type candidate struct {
	domain Domain
	// relief is how much of the excess the move takes away; cost the time that
	// the migration is predicted to take.
	relief MilliCPU
	cost   time.Duration
}

// better orders candidates: most relief per second of migration first, then
// the smaller domain, then the ID.
func better(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(b.relief.perSecond(b.cost), a.relief.perSecond(a.cost)),
		cmp.Compare(a.domain.Demand.CPU, b.domain.Demand.CPU),
		cmp.Compare(a.domain.ID, b.domain.ID),
	)
}

func (m MilliCPU) perSecond(d time.Duration) float64 { return float64(m) / d.Seconds() }

// candidates returns the domains of the host that could relieve it, best
// first, and a verdict for each of the others.
func (c Config) candidates(v View, self Host) ([]candidate, []Verdict) {
	excess := self.Used.CPU - MilliCPU(float64(c.Marks.Stop)*float64(self.Capacity.CPU))
	smallest := MilliCPU(float64(c.MinGain) * float64(self.Capacity.CPU))
	var movable []candidate
	var verdicts []Verdict
	for _, d := range v.Domains {
		if why := c.stays(v.Now, d, smallest); why != OK {
			verdicts = append(verdicts, Verdict{Domain: d.ID, Name: d.Name, Reason: why})
			continue
		}
		movable = append(movable, candidate{
			domain: d,
			relief: min(d.Demand.CPU, max(excess, smallest)),
			cost:   c.predict(d),
		})
	}
	slices.SortFunc(movable, better)
	return movable, verdicts
}

// stays is why a domain is not even considered.
func (c Config) stays(now time.Time, d Domain, smallest MilliCPU) Reason {
	switch {
	case d.Obstacle != OK:
		return d.Obstacle
	case !d.Known:
		return NoStats
	case !c.CooledDown(d.History, now):
		return CoolingDown
	case d.Demand.CPU < smallest:
		return TooSmall
	default:
		return OK
	}
}

// predict is the expected duration of a migration: the guest's memory over the
// bandwidth, and a second for what does not depend on size.
func (c Config) predict(d Domain) time.Duration {
	const overhead = time.Second
	copying := float64(d.Demand.Memory) / float64(c.Bandwidth)
	return overhead + time.Duration(copying*float64(time.Second))
}
