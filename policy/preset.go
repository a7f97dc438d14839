package policy

import "time"

// Preset is a set of values for what in a Config says how soon and how much is
// moved.
type Preset string

// The presets.
const (
	// ConservativePreset moves late, seldom, and only for much.
	ConservativePreset Preset = "conservative"
	// NormalPreset changes nothing.
	NormalPreset Preset = "normal"
	// AggressivePreset moves early, more at once, and for less.
	AggressivePreset Preset = "aggressive"
)

// String is the preset as the file writes it.
func (p Preset) String() string { return string(p) }

// With returns the configuration with what the preset sets. In all of them a
// host that has taken a domain in is below the mark at which relief ends.
func (c Config) With(p Preset) Config {
	switch p {
	case ConservativePreset:
		c.Marks.Receive, c.Marks.Stop, c.Marks.High = 0.60, 0.80, 0.85
		c.SamplesOver, c.SamplesWindow = 8, 10
		c.Swaps = false
		c.MinGain = 0.10
		c.Cooldown, c.CooldownMax, c.ReturnWindow = time.Hour, 12*time.Hour, 6*time.Hour
		c.Settle = 5 * time.Minute
	case AggressivePreset:
		c.Marks.Receive, c.Marks.Stop, c.Marks.High = 0.64, 0.70, 0.75
		c.SamplesOver, c.SamplesWindow = 2, 3
		c.MinGain = 0.03
		c.Cooldown, c.CooldownMax, c.ReturnWindow = 15*time.Minute, 3*time.Hour, time.Hour
		c.Settle = 2 * time.Minute
		c.MaxInbound, c.MaxOutbound = 2, 2
	default: // NormalPreset: as it is
	}
	return c
}
