package config

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// Set sets one key by its dotted name to a value as a file writes it; quotes
// around a string may be left out. The caller validates the result.
func (c *Config) Set(name, text string) error {
	var file struct{ Value any }
	if _, err := toml.Decode("value = "+text, &file); err != nil || strings.ContainsAny(text, "\r\n") {
		file.Value = text
	}
	keys := c.keys()
	for _, k := range keys {
		if k.name != name {
			continue
		}
		if err := k.set(file.Value); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		return nil
	}
	return unknown(name, false, keys, nil)
}
