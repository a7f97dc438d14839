package policy

import (
	"math"
	"time"
)

// Estimator turns samples of counters into smoothed load: an exponentially
// weighted moving average whose weight comes from the time that has elapsed,
//
//	estimate += (1 - exp(-dt/TimeConstant)) * (rate - estimate)
//
// so a late tick counts for as long as it covers and makes no spike.
//
// It keeps the previous counters only. A counter that went back (lxcfs and
// CPU hotplug do that) or that covers no time yields no rate, and the estimate
// stays.
type Estimator struct {
	// TimeConstant is the time after which a step shows to 63 %. Longer is
	// calmer and sees later.
	TimeConstant time.Duration

	prev    Sample
	domains map[DomainID]domainEstimate
	host    hostEstimate
}

type hostEstimate struct {
	cpu, stalled float64 // shares
	seen         bool
}

type domainEstimate struct {
	prev      DomainCounters
	at        time.Time
	cpu, wait float64 // CPUs; share
	seen      bool
}

// Utilization is the estimator's answer to one sample.
type Utilization struct {
	At time.Time
	// Recent is the CPU share of the host over the last interval alone, what
	// detection counts; Smoothed is the estimate.
	Recent, Smoothed Fraction
	Pressure         Fraction
	Memory           Bytes
	// Known is false until two usable samples have been seen.
	Known bool
}

// without is the utilization as it is predicted to be once the load is gone.
func (u Utilization) without(l, capacity Load) Utilization {
	cpu := l.Share(CPU, capacity)
	u.Recent, u.Smoothed = max(0, u.Recent-cpu), max(0, u.Smoothed-cpu)
	u.Memory = max(0, u.Memory-l.Memory)
	return u
}

// Observe takes in one sample and returns the host's utilization. Samples that
// are not newer than the one before are ignored.
func (e *Estimator) Observe(s Sample) Utilization {
	u := Utilization{At: s.At, Memory: max(0, s.Host.MemoryTotal-s.Host.MemoryAvailable)}
	dt := s.At.Sub(e.prev.At)
	if s.Host.Known {
		recent, ok := share(s.Host.Busy-e.prev.Host.Busy, s.Host.Total-e.prev.Host.Total)
		if ok && e.prev.Host.Known && dt > 0 {
			e.host.cpu = e.blend(e.host.cpu, recent, dt, e.host.seen)
			if stalled, ok := share(s.Host.Stalled-e.prev.Host.Stalled, dt); ok && s.Host.PressureKnown && e.prev.Host.PressureKnown {
				e.host.stalled = e.blend(e.host.stalled, stalled, dt, e.host.seen)
			}
			e.host.seen = true
			u.Recent, u.Known = Fraction(recent), true
		}
		e.prev.Host = s.Host
	}
	u.Smoothed, u.Pressure = Fraction(e.host.cpu), Fraction(e.host.stalled)
	e.observeDomains(s)
	e.prev.At = s.At
	return u
}

func (e *Estimator) observeDomains(s Sample) {
	if !s.DomainsKnown {
		return
	}
	next := make(map[DomainID]domainEstimate, len(s.Domains))
	for _, d := range s.Domains {
		est, had := e.domains[d.ID]
		if !had {
			est = domainEstimate{prev: d, at: s.At}
		} else if dt := s.At.Sub(est.at); d.StatsKnown && est.prev.StatsKnown && dt > 0 {
			used, waited := d.CPUTime-est.prev.CPUTime, d.Wait-est.prev.Wait
			if used >= 0 && waited >= 0 { // else: restarted, or the counters were reset
				est.cpu = e.blend(est.cpu, used.Seconds()/dt.Seconds(), dt, est.seen)
				est.wait = e.blend(est.wait, waited.Seconds()/dt.Seconds()/float64(max(1, d.VCPUs)), dt, est.seen)
				est.seen = true
			}
		}
		if d.StatsKnown || !had {
			est.prev, est.at = d, s.At
		}
		next[d.ID] = est
	}
	e.domains = next
}

// Domain describes one domain of a sample, with the smoothed load that the
// estimator has for it.
func (e *Estimator) Domain(c DomainCounters) Domain {
	est := e.domains[c.ID]
	return Domain{
		ID: c.ID, Name: c.Name, VCPUs: c.VCPUs,
		Demand:    Load{CPU: MilliCPU(math.Round(est.cpu * 1000)), Memory: c.Memory},
		MemoryMax: max(c.MemoryMax, c.Memory),
		Wait:      Fraction(est.wait),
		Known:     est.seen,
		Obstacle:  obstacle(c),
		History:   c.History,
	}
}

// obstacle is what keeps a domain where it is, as its counters tell it.
func obstacle(c DomainCounters) Reason {
	switch {
	case c.Obstacle != OK:
		return c.Obstacle
	case c.Job != NoJob:
		return JobActive
	case c.State != StateRunning:
		return NotRunning
	case !c.StatsKnown:
		return NoStats
	default:
		return OK
	}
}

// blend moves old towards value by the weight of dt; the first value counts
// whole.
func (e *Estimator) blend(old, value float64, dt time.Duration, seen bool) float64 {
	if !seen || e.TimeConstant <= 0 {
		return value
	}
	return old + (1-math.Exp(-dt.Seconds()/e.TimeConstant.Seconds()))*(value-old)
}

// share is part/whole within 0..1, and whether it means anything.
func share(part, whole time.Duration) (float64, bool) {
	if whole <= 0 || part < 0 {
		return 0, false
	}
	return min(1, part.Seconds()/whole.Seconds()), true
}
