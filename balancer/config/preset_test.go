package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func parsed(t *testing.T, text string) Config {
	t.Helper()
	c, err := Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPresets(t *testing.T) {
	if c := parsed(t, "[policy]\npreset = \"normal\""); !reflect.DeepEqual(c, Default()) {
		t.Errorf("normal is %+v, not the defaults", c.Policy)
	}
	calm, keen, normal := parsed(t, "[policy]\npreset = \"conservative\"").Policy, parsed(t, "[policy]\npreset = \"aggressive\"").Policy, Default().Policy
	for name, ordered := range map[string]bool{
		"high":          calm.Marks.High > normal.Marks.High && normal.Marks.High > keen.Marks.High,
		"min_gain":      calm.MinGain > normal.MinGain && normal.MinGain > keen.MinGain,
		"cooldown":      calm.Cooldown > normal.Cooldown && normal.Cooldown > keen.Cooldown,
		"return_window": calm.ReturnWindow > normal.ReturnWindow && normal.ReturnWindow > keen.ReturnWindow,
		"settle":        calm.Settle > normal.Settle && normal.Settle > keen.Settle,
		"samples_over":  calm.SamplesOver > normal.SamplesOver && normal.SamplesOver > keen.SamplesOver,
	} {
		if !ordered {
			t.Errorf("%s does not go from conservative to aggressive", name)
		}
	}
}

// The table in the example says what the presets set.
func TestExampleHasThePresets(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		lines[strings.Join(strings.Fields(line), " ")] = true
	}
	settings := map[policy.Preset]map[string]string{}
	told := map[string]bool{"policy.preset": true}
	differ := map[string]bool{}
	for _, p := range []policy.Preset{policy.ConservativePreset, policy.NormalPreset, policy.AggressivePreset} {
		settings[p] = map[string]string{}
		for _, s := range parsed(t, "policy.preset = \""+p.String()+"\"").Settings() {
			settings[p][s.Key] = strings.Trim(s.Value, `"`)
			differ[s.Key] = differ[s.Key] || s.Value != s.Default
		}
	}
	for label, row := range map[string]struct {
		between string
		keys    []string
	}{
		"receive, stop, high":       {" ", []string{"receive", "stop", "high"}},
		"samples_over of _window":   {" of ", []string{"samples_over", "samples_window"}},
		"swaps":                     {"", []string{"swaps"}},
		"min_gain":                  {"", []string{"min_gain"}},
		"cooldown":                  {"", []string{"cooldown"}},
		"cooldown_max":              {"", []string{"cooldown_max"}},
		"return_window":             {"", []string{"return_window"}},
		"settle":                    {"", []string{"settle"}},
		"max_inbound, max_outbound": {", ", []string{"max_inbound", "max_outbound"}},
	} {
		want := "# " + label
		for _, p := range []policy.Preset{policy.ConservativePreset, policy.NormalPreset, policy.AggressivePreset} {
			var values []string
			for _, k := range row.keys {
				values = append(values, settings[p]["policy."+k])
				told["policy."+k] = true
			}
			want += " " + strings.Join(values, row.between)
		}
		if !lines[want] {
			t.Errorf("the example has no line %q", want)
		}
	}
	for key := range differ {
		if differ[key] && !told[key] {
			t.Errorf("a preset sets %s, and the example's table does not say so", key)
		}
	}
}

// A key that is written wins, wherever it stands.
func TestKeysOverrideThePreset(t *testing.T) {
	for _, text := range []string{
		"[policy]\nhigh = 78\npreset = \"aggressive\"",
		"[policy]\npreset = \"aggressive\"\nhigh = 78",
		"policy.high = 78\npolicy.preset = \"aggressive\"",
	} {
		p := parsed(t, text).Policy
		if p.Marks.High != 0.78 || p.Cooldown != 15*time.Minute {
			t.Errorf("%q: high %s, cooldown %s", text, p.Marks.High, p.Cooldown)
		}
	}
}

// What does not go with the preset's numbers is a fault, as is a word that is no
// preset.
func TestFaultsOfPresets(t *testing.T) {
	for text, want := range map[string]string{
		"[policy]\npreset = \"bold\"":                      `test.toml:2: policy.preset ("bold") must be one of "conservative", "normal", "aggressive"`,
		"[policy]\npreset = 3":                             `policy.preset (3) must be one of`,
		"[policy]\npreset = \"conservative\"\nhigh = 79.5": "policy.high (79.5) must exceed policy.stop (80)",
	} {
		if _, err := Parse("test.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

// The numbers in force are shown and can change while the daemon runs.
func TestPresetShowsItsNumbers(t *testing.T) {
	c := parsed(t, "[policy]\npreset = \"aggressive\"")
	shown := map[string]string{}
	for _, s := range c.Settings() {
		if s.Value != s.Default {
			shown[s.Key] = s.Value
		}
	}
	for key, want := range map[string]string{"policy.preset": `"aggressive"`, "policy.high": "75", "policy.cooldown": `"15m"`, "policy.max_inbound": "2"} {
		if shown[key] != want {
			t.Errorf("%s is shown as %s, want %s", key, shown[key], want)
		}
	}
	changes, restart := Reloadable(Default(), c)
	if len(changes) != len(shown) || len(restart) != 0 {
		t.Errorf("reload changes %v, and %v after a restart", changes, restart)
	}
	if live := Live(Default(), c); !reflect.DeepEqual(live, c) {
		t.Errorf("live %+v", live.Policy)
	}
}
