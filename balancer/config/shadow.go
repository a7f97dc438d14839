package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/virtbalance/virtbalance/policy"
)

// ShadowPolicy is the policy that decides beside the one in force, and is not
// obeyed; nil if none is configured. The error holds every fault of the key
// policy.shadow.
func (c Config) ShadowPolicy() (*policy.Config, error) {
	if len(c.Shadow) == 0 {
		return nil, nil
	}
	var errs []error
	changed := c
	for _, text := range c.Shadow {
		key, value, ok := strings.Cut(text, "=")
		key = strings.TrimSpace(key)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf(`policy.shadow (%q) must be KEY=VALUE with a key of [policy], such as "high=75"`, text))
		case key == "shadow" || key == "preset":
			errs = append(errs, fmt.Errorf("policy.shadow (%q) must not set %s: write the keys that are to differ", text, key))
		default:
			if err := changed.Set("policy."+key, strings.TrimSpace(value)); err != nil {
				errs = append(errs, fmt.Errorf("policy.shadow (%q): %w", text, err))
			}
		}
	}
	if err := changed.Policy.Validate(); err != nil && len(errs) == 0 && c.Policy.Validate() == nil {
		for _, fault := range split(err) {
			errs = append(errs, fmt.Errorf("policy.shadow (%q): %w", c.Shadow, fault))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &changed.Policy, nil
}
