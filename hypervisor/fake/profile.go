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
	case p.Constant < 0:
		return fmt.Errorf("constant (%d) must not be negative", p.Constant)
	case p.Sine != nil && p.Sine.Period < 64:
		return fmt.Errorf("sine.period (%s) must be at least 64ns", time.Duration(p.Sine.Period))
	case p.Trace != nil && (p.Trace.Interval <= 0 || len(p.Trace.CPU) == 0):
		return errors.New("trace needs an interval and values")
	}
	for i, s := range p.Steps {
		if s.CPU < 0 || i > 0 && s.At <= p.Steps[i-1].At {
			return fmt.Errorf("steps[%d] must be later than the one before and its demand not negative", i)
		}
		if p.Repeat > 0 && s.At >= p.Repeat {
			return fmt.Errorf("steps[%d].at (%s) must be below repeat (%s)", i, time.Duration(s.At), time.Duration(p.Repeat))
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
		return max(0, cpu), (k + 1) * time.Duration(p.Trace.Interval)
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
	const steps = 64
	held := time.Duration(s.Period) / steps
	k := (t + time.Duration(s.Phase)) / held
	angle := 2 * math.Pi * (float64(k%steps) + 0.5) / steps
	cpu := float64(s.Mean) + float64(s.Amplitude)*math.Sin(angle)
	return policy.MilliCPU(max(0, math.Round(cpu))), (k+1)*held - time.Duration(s.Phase)
}
