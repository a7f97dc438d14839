package config

import (
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Preset is a set of values for the keys of [policy] that say how soon and how
// much is moved. Keys that the file sets override it.
type Preset string

// The presets.
const (
	// Conservative moves late, seldom, and only for much.
	Conservative Preset = "conservative"
	// Normal is the defaults.
	Normal Preset = "normal"
	// Aggressive moves early, more at once, and for less.
	Aggressive Preset = "aggressive"
)

// String is the preset as the file writes it.
func (p Preset) String() string { return string(p) }

// apply sets what the preset says. In all of them a domain that is taken in
// leaves its new host below the mark at which relief ends.
func (p Preset) apply(c *policy.Config) {
	switch p {
	case Conservative:
		c.Marks.Receive, c.Marks.Stop, c.Marks.High = 0.60, 0.80, 0.85
		c.SamplesOver, c.SamplesWindow = 8, 10
		c.Swaps = false
		c.MinGain = 0.10
		c.Cooldown, c.CooldownMax, c.ReturnWindow = time.Hour, 12*time.Hour, 6*time.Hour
		c.Settle = 5 * time.Minute
	case Aggressive:
		c.Marks.Receive, c.Marks.Stop, c.Marks.High = 0.64, 0.70, 0.75
		c.SamplesOver, c.SamplesWindow = 2, 3
		c.MinGain = 0.03
		c.Cooldown, c.CooldownMax, c.ReturnWindow = 15*time.Minute, 3*time.Hour, time.Hour
		c.Settle = 2 * time.Minute
		c.MaxInbound, c.MaxOutbound = 2, 2
	default: // Normal is where everything starts from
	}
}
