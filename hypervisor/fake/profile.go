package fake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Profile is CPU demand over time. It is constant between its changes, so that
// integrals over it are exact. In JSON a bare number is a constant demand. At
// most one of Steps, Sine and Trace is given, and Constant only without them.
type Profile struct {
	Constant policy.MilliCPU `json:"constant,omitempty"`

	// Steps are in order of time; before the first the demand is zero. With
	// Repeat the sequence starts again each time.
	Steps  []Step   `json:"steps,omitempty"`
	Repeat Duration `json:"repeat,omitempty"`

	Sine  *Sine  `json:"sine,omitempty"`
	Trace *Trace `json:"trace,omitempty"`
}

// Step is the demand from a time on.
type Step struct {
	At  Duration        `json:"at"`
	CPU policy.MilliCPU `json:"cpu_millis"`
}

// sineSteps is in how many steps a period is approximated.
const sineSteps = 64

// Sine is Mean + Amplitude x sin(2 pi t/Period), never below zero, in 64 steps
// per period.
type Sine struct {
	Mean      policy.MilliCPU `json:"mean_millis"`
	Amplitude policy.MilliCPU `json:"amplitude_millis"`
	Period    Duration        `json:"period"`
	// Phase shifts the curve to the left.
	Phase Duration `json:"phase,omitempty"`
}

// Trace is a recorded demand, one value per interval, from the start again
// after the last.
type Trace struct {
	Interval Duration          `json:"interval"`
	CPU      []policy.MilliCPU `json:"cpu_millis"`
}

// Constant is a demand that never changes.
func Constant(cpu policy.MilliCPU) Profile { return Profile{Constant: cpu} }

// Steps is a demand that changes at the given times.
func Steps(steps ...Step) Profile { return Profile{Steps: steps} }

// UnmarshalJSON reads a number or an object.
func (p *Profile) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '{' {
		*p = Profile{}
		if err := json.Unmarshal(b, &p.Constant); err != nil {
			return fmt.Errorf("a demand is a number of millicores or an object, not %s", b)
		}
		return nil
	}
	type plain Profile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(p))
}

// validate returns the first fault.
func (p Profile) validate() error {
	kinds := 0
	for _, given := range []bool{p.Constant != 0, len(p.Steps) > 0, p.Sine != nil, p.Trace != nil} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("only one of constant, steps, sine and trace may be given")
	case !plausible(p.Constant):
		return fmt.Errorf("demand (%d) must be within 0..%d", p.Constant, maxCPU)
	case p.Repeat != 0 && (p.Repeat < shortest || p.Repeat > maxTime):
		return fmt.Errorf("repeat (%s) must be at least %s", time.Duration(p.Repeat), time.Duration(shortest))
	case p.Sine != nil:
		return p.Sine.validate()
	case p.Trace != nil:
		return p.Trace.validate()
	}
	for i, s := range p.Steps {
		switch {
		case !plausible(s.CPU):
			return fmt.Errorf("steps[%d].cpu_millis (%d) must be within 0..%d", i, s.CPU, maxCPU)
		case s.At < 0 || s.At > maxTime || i > 0 && s.At < p.Steps[i-1].At+shortest:
			return fmt.Errorf("steps[%d].at (%s) must be %s later than the one before", i, time.Duration(s.At), time.Duration(shortest))
		case p.Repeat > 0 && s.At >= p.Repeat:
			return fmt.Errorf("steps[%d].at (%s) must be below repeat (%s)", i, time.Duration(s.At), time.Duration(p.Repeat))
		}
	}
	return nil
}

// shortest is how long a demand lasts at least.
const shortest = Duration(time.Millisecond)

func (s Sine) validate() error {
	switch {
	case s.Period < sineSteps*shortest || s.Period > maxTime:
		return fmt.Errorf("sine.period (%s) must be at least %s", time.Duration(s.Period), time.Duration(sineSteps*shortest))
	case s.Phase < 0 || s.Phase > maxTime:
		return fmt.Errorf("sine.phase (%s) must not be negative", time.Duration(s.Phase))
	case !plausible(2*s.Mean) || !plausible(2*s.Amplitude):
		return fmt.Errorf("sine.mean_millis and amplitude_millis must be within 0..%d", maxCPU/2)
	}
	return nil
}

func (t Trace) validate() error {
	if t.Interval < shortest || t.Interval > maxTime || len(t.CPU) == 0 {
		return fmt.Errorf("trace needs values and an interval of at least %s", time.Duration(shortest))
	}
	for i, cpu := range t.CPU {
		if !plausible(cpu) {
			return fmt.Errorf("trace.cpu_millis[%d] (%d) must be within 0..%d", i, cpu, maxCPU)
		}
	}
	return nil
}

// at is the demand at t since the profile began, and until when it stays.
func (p Profile) at(t time.Duration) (policy.MilliCPU, time.Duration) {
	switch {
	case p.Sine != nil:
		return p.Sine.at(t)
	case p.Trace != nil:
		k := t / time.Duration(p.Trace.Interval)
		cpu := p.Trace.CPU[int(int64(k)%int64(len(p.Trace.CPU)))]
		return cpu, (k + 1) * time.Duration(p.Trace.Interval)
	case len(p.Steps) > 0:
		return p.step(t)
	default:
		return p.Constant, forever
	}
}

func (p Profile) step(t time.Duration) (policy.MilliCPU, time.Duration) {
	var began time.Duration
	end := forever
	if repeat := time.Duration(p.Repeat); repeat > 0 {
		began = t / repeat * repeat
		end = began + repeat
	}
	var cpu policy.MilliCPU
	for _, s := range p.Steps {
		at := began + time.Duration(s.At)
		if at > t {
			return cpu, at
		}
		cpu = s.CPU
	}
	return cpu, end
}

func (s Sine) at(t time.Duration) (policy.MilliCPU, time.Duration) {
	held := time.Duration(s.Period) / sineSteps
	k := (t + time.Duration(s.Phase)) / held
	angle := 2 * math.Pi * (float64(k%sineSteps) + 0.5) / sineSteps
	cpu := float64(s.Mean) + float64(s.Amplitude)*math.Sin(angle)
	return policy.MilliCPU(max(0, math.Round(cpu))), (k+1)*held - time.Duration(s.Phase)
}
