package policy

import (
	"math"
	"time"
)

// Estimator turns samples of counters into load: how much it is, and how much
// it is about to be.
//
// What a domain demands is what it used and, while the host is full, what its
// vCPUs waited for: on an overloaded host use alone says only how the CPU was
// dealt out. While the host has idle time, waiting is no lack of CPU: whatever
// was put off in a burst was done before the interval was over, and counts
// among what was used.
//
// It keeps the previous counters only. A counter that went back (lxcfs and
// CPU hotplug do that) or that covers no time yields no rate, and the estimate
// stays.
type Estimator struct {
	// TimeConstant is the time after which a step shows to 63 %. Longer is
	// calmer and sees later.
	TimeConstant time.Duration
	// Horizon is how far ahead a trend is followed: about the time from one
	// decision to the end of the migration that the next would start. Longer
	// acts earlier and on more false alarms; zero follows none.
	Horizon time.Duration

	prev    Sample
	host    hostEstimate
	domains map[DomainID]*domainEstimate
}

type hostEstimate struct {
	cpu, demand, stalled series // shares
}

type domainEstimate struct {
	prev         DomainCounters
	at           time.Time // of prev
	demand, wait series    // CPUs; share of the vCPUs' time
	observed     time.Time // by the newest sample that listed the domain
}

// Utilization is the estimator's answer to one sample.
type Utilization struct {
	At time.Time
	// Recent is the CPU share of the host over the last interval alone, what
	// detection counts; Smoothed is the estimate. Both are of CPU used.
	Recent, Smoothed Fraction
	// Ahead is the share that is forecast to be demanded by the estimator's
	// horizon: with what domains waited for, so it may exceed 1.
	Ahead Fraction
	// Pressure is the share of time in which something waited for a CPU: PSI's
	// "some", or of the domain that waits the most where there is no PSI.
	Pressure Fraction
	Memory   Bytes
	// Known is false until two usable samples have been seen.
	Known bool
}

// without is the utilization as it is predicted to be once the load is gone.
func (u Utilization) without(l, capacity Load) Utilization {
	cpu := l.Share(CPU, capacity)
	for _, f := range []*Fraction{&u.Recent, &u.Smoothed, &u.Ahead} {
		*f = max(0, *f-cpu)
	}
	u.Memory = max(0, u.Memory-l.Memory)
	return u
}

// Observe takes in one sample and returns the host's utilization. Samples that
// are not newer than the one before are ignored.
func (e *Estimator) Observe(s Sample) Utilization {
	u := Utilization{At: s.At, Memory: max(0, s.Host.MemoryTotal-s.Host.MemoryAvailable)}
	dt := s.At.Sub(e.prev.At)
	w := e.weight(dt)
	total := s.Host.Total - e.prev.Host.Total
	recent, ok := share(s.Host.Busy-e.prev.Host.Busy, total)
	ok = ok && s.Host.Known && e.prev.Host.Known && dt > 0
	var waited time.Duration
	if s.DomainsKnown {
		waited = e.observeDomains(s, dt, w, ok && recent >= full)
	}
	if s.Host.Known {
		if ok {
			e.host.cpu.observe(recent, dt, w)
			e.host.demand.observe(recent+waited.Seconds()/total.Seconds(), dt, w)
			if stalled, ok := share(s.Host.Stalled-e.prev.Host.Stalled, dt); ok && s.Host.PressureKnown && e.prev.Host.PressureKnown {
				e.host.stalled.observe(stalled, dt, w)
			}
			u.Recent, u.Known = Fraction(recent), true
		}
		e.prev.Host = s.Host
	}
	u.Smoothed, u.Pressure = Fraction(e.host.cpu.level), Fraction(e.host.stalled.level)
	if !s.Host.PressureKnown {
		u.Pressure = e.longestWait()
	}
	u.Ahead = Fraction(e.host.demand.level + e.host.demand.change(e.Horizon, math.Inf(1)))
	e.prev.At = s.At
	return u
}

// weight is what a value that covers dt counts.
func (e *Estimator) weight(dt time.Duration) float64 {
	if e.TimeConstant <= 0 {
		return 1 // remembers nothing
	}
	return 1 - math.Exp(-dt.Seconds()/e.TimeConstant.Seconds())
}

// full is the share of the CPU from which on a host counts as having none left:
// a few percent are lost to the switching and the ticks.
const full = 0.95

// observeDomains takes in the domains of a sample, and returns for how long
// their vCPUs have waited for what the host did not have. Most of them cover
// the same interval, which counts usual.
func (e *Estimator) observeDomains(s Sample, interval time.Duration, usual float64, hostFull bool) (waiting time.Duration) {
	if e.domains == nil {
		e.domains = make(map[DomainID]*domainEstimate, len(s.Domains))
	}
	for _, d := range s.Domains {
		est, had := e.domains[d.ID]
		if !had {
			est = &domainEstimate{}
			e.domains[d.ID] = est
		} else if dt := s.At.Sub(est.at); d.StatsKnown && est.prev.StatsKnown && dt > 0 {
			w := usual
			if dt != interval {
				w = e.weight(dt)
			}
			used, waited := d.CPUTime-est.prev.CPUTime, d.Wait-est.prev.Wait
			if used >= 0 && waited >= 0 { // else: restarted, or the counters were reset
				demanded := used
				if hostFull {
					demanded += waited
					waiting += waited
				}
				est.demand.observe(demanded.Seconds()/dt.Seconds(), dt, w)
				est.wait.observe(waited.Seconds()/dt.Seconds()/float64(max(1, d.VCPUs)), dt, w)
			}
		}
		if d.StatsKnown || !had {
			est.prev, est.at = d, s.At
		}
		est.observed = s.At
	}
	for id, est := range e.domains {
		if !est.observed.Equal(s.At) {
			delete(e.domains, id) // gone from this host
		}
	}
	return waiting
}

// Domain describes one domain of a sample, with the load that the estimator
// has for it.
func (e *Estimator) Domain(c DomainCounters) Domain {
	d := Domain{
		ID: c.ID, Name: c.Name, VCPUs: c.VCPUs,
		Demand:    Load{Memory: c.Memory},
		MemoryMax: max(c.MemoryMax, c.Memory),
		HugePages: c.HugePages,
		Obstacle:  obstacle(c),
		Rules:     c.Rules,
		History:   c.History,
	}
	if est := e.domains[c.ID]; est != nil {
		millis := func(cpus float64) MilliCPU { return MilliCPU(math.Round(cpus * 1000)) }
		d.Known = est.demand.n > 0
		d.Demand.CPU = millis(est.demand.level)
		d.Trend = millis(est.demand.change(e.Horizon, float64(c.VCPUs)))
		d.Wait = Fraction(est.wait.level)
	}
	return d
}

// longestWait is the share of time that the domain waits which waits the most.
func (e *Estimator) longestWait() Fraction {
	longest := 0.0
	for _, d := range e.domains {
		longest = max(longest, d.wait.level)
	}
	return Fraction(min(1, longest))
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

// share is part/whole within 0..1, and whether it means anything.
func share(part, whole time.Duration) (float64, bool) {
	if whole <= 0 || part < 0 {
		return 0, false
	}
	return min(1, part.Seconds()/whole.Seconds()), true
}
