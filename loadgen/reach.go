package loadgen

import "fmt"

// Room is how much of the host this process may use, and what limits it.
type Room struct {
	CPUs  float64
	Limit string // "the CPU quota", "--cpus"; empty if nothing does
}

// narrow returns the smaller of two rooms.
func (r Room) narrow(cpus float64, limit string) Room {
	if cpus < r.CPUs {
		return Room{CPUs: cpus, Limit: limit}
	}
	return r
}

// Cause is a kind of obstacle.
type Cause string

// What can be in the way of a band.
const (
	CauseNone       Cause = ""
	CauseSensor     Cause = "sensor"     // the counters cannot be believed
	CauseBackground Cause = "background" // the rest of the host is above the band
	CauseRoom       Cause = "room"       // this process may not use enough CPUs
	CauseStarved    Cause = "starved"    // the host does not give what it may use
	CauseSteal      Cause = "steal"      // nor can it: a hypervisor below takes it
)

// Obstacle says what is in the way of the band. The zero Obstacle says that
// nothing is.
type Obstacle struct {
	Cause Cause

	Why        string  // what limits the room, or what is wrong with the sensor
	Have, Need float64 // what there is and what it should be, shares of the host
	Other      float64 // the load of everything else, share of the host
}

// Own reports whether it is a limit of this process's own, so that only other
// work could bring the host into the band.
func (o Obstacle) Own() bool { return o.Cause == CauseRoom }

// String says it in a few words, with figures in percent of the host.
func (o Obstacle) String() string {
	switch o.Cause {
	case CauseNone:
		return ""
	case CauseSensor:
		return o.Why
	case CauseBackground:
		return fmt.Sprintf("other work uses %.1f, more than max %.1f", 100*o.Have, 100*o.Need)
	case CauseRoom:
		return fmt.Sprintf("%s allows %.1f and other work uses %.1f, together less than min %.1f",
			o.Why, 100*o.Have, 100*o.Other, 100*o.Need)
	case CauseStarved:
		return fmt.Sprintf("the host gives %.1f of the %.1f asked for", 100*o.Have, 100*o.Need)
	case CauseSteal:
		return fmt.Sprintf("the hypervisor below takes %.1f and leaves %.1f of the %.1f asked for",
			100*o.Other, 100*o.Have, 100*o.Need)
	}
	return string(o.Cause)
}

// Past is what was seen over the last second, as shares of the host.
type Past struct {
	Used, Own, Steal float64
}

// Reach judges whether the band can be held under the present conditions.
func Reach(band Band, out Output, cpus float64, room Room, past Past) Obstacle {
	var (
		margin = 2 * out.Sigma
		other  = max(out.Background, 0)
		most   = min(room.CPUs/cpus, 1)
	)
	switch {
	case out.Trouble != "":
		return Obstacle{Cause: CauseSensor, Why: string(out.Trouble)}
	case !out.Ready:
		return Obstacle{}
	case other-margin > band.Max:
		return Obstacle{Cause: CauseBackground, Have: other, Need: band.Max}
	case most+other+margin < band.Min:
		return Obstacle{Cause: CauseRoom, Why: room.Limit, Have: most, Need: band.Min, Other: other}
	case past.Used < band.Min && past.Own < 0.9*out.Target && past.Steal > 0.01:
		return Obstacle{Cause: CauseSteal, Have: past.Own, Need: out.Target, Other: past.Steal}
	case past.Used < band.Min && past.Own < 0.9*out.Target:
		return Obstacle{Cause: CauseStarved, Have: past.Own, Need: out.Target}
	}
	return Obstacle{}
}

// Resolution returns the narrowest band, as a share of the host, that the
// kernel's counters can show as held in a mean over one second: two ticks, one
// for each end of the second.
func Resolution(cpus float64) float64 {
	const tick = 0.010 // s
	return 2 * tick / max(cpus, 1)
}
