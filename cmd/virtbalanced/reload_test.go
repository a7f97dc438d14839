package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/config"
)

// TestLiveKeysAreApplied changes every key of the example, one at a time. What
// the documents call live must reach what a reload hands on; it would be a lie
// otherwise, and nobody would see it.
func TestLiveKeysAreApplied(t *testing.T) {
	// Alone they change nothing.
	context := map[string]string{"schedule.timezone": `windows = ["daily 01:00-02:00"]`}
	// Words, and numbers for which one more is not another valid value.
	others := map[string]string{
		"mode": `"approve"`, "log_level": `"debug"`, "host.labels": `["ssd"]`,
		"schedule.timezone": `"Asia/Tokyo"`, "schedule.windows": `["daily 01:00-02:00"]`, "schedule.blackouts": `["daily 01:00-02:00"]`,
		"sampling.horizon": `"33s"`, "policy.preset": `"aggressive"`, "policy.detector": `"mad"`, "policy.strategy": `"spread"`,
		"policy.strategy_group": `"rack"`, "gossip.key_file": `"/elsewhere"`,
	}
	seen := map[bool]int{}
	for key, text := range exampleKeys(t) {
		other, ok := others[key]
		if !ok {
			if other, ok = another(text); !ok {
				continue // a word or a list: what is live of these stands above
			}
		}
		was, will := loaded(t, key, text, context[key]), loaded(t, key, other, context[key])
		changes, restart := config.Reloadable(was, will)
		if len(changes)+len(restart) == 0 {
			t.Errorf("%s = %s changes nothing", key, other)
			continue
		}
		merged := config.Live(was, will)
		applied := !reflect.DeepEqual(tuning(was), tuning(merged)) || !reflect.DeepEqual(was.Host.Labels, merged.Host.Labels) ||
			was.LogLevel != merged.LogLevel || was.Gossip.KeyFile != merged.Gossip.KeyFile
		if live := len(changes) > 0; live != applied {
			t.Errorf("%s: live is %t, and that a reload applies it is %t", key, live, applied)
		}
		seen[applied]++
	}
	if seen[true] < 45 || seen[false] < 15 {
		t.Errorf("only %d live keys and %d others were tried", seen[true], seen[false])
	}
	if !reflect.DeepEqual(tuning(config.Default()), tuning(config.Default())) {
		t.Error("equal configurations are told apart, so nothing was tested")
	}
}

// exampleKeys are the keys of config.example.toml with their values.
func exampleKeys(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	keys, section := map[string]string{}, ""
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		line := s.Text()
		key, value, isKey := strings.Cut(line, " = ")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]") + "."
		case isKey:
			keys[section+key] = value
		}
	}
	return keys
}

// another is a value near the one given, which for almost any key is as valid.
func another(text string) (string, bool) {
	if text == "true" || text == "false" {
		return strconv.FormatBool(text == "false"), true
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return strconv.FormatFloat(n+1, 'g', -1, 64), true
	}
	if d, err := time.ParseDuration(strings.Trim(text, `"`)); err == nil {
		return fmt.Sprintf("%q", d+time.Second), true
	}
	return "", false
}

// loaded is the configuration of a file with one key, and one line more of its
// section.
func loaded(t *testing.T, key, value, more string) config.Config {
	t.Helper()
	section, name, nested := strings.Cut(key, ".")
	text := key + " = " + value + "\n"
	if nested {
		text = fmt.Sprintf("[%s]\n%s = %s\n%s\n", section, name, value, more)
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return c
}
