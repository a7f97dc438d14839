package config

// Setting is one key with its value, as a file would write it.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// Default is what the value is without the key.
	Default string `json:"default"`
}

// Settings are all keys, in the order of config.example.toml.
func (c Config) Settings() []Setting {
	d := Default()
	defaults := d.keys()
	var all []Setting
	for i, k := range c.keys() {
		all = append(all, Setting{Key: k.name, Value: show(k.get()), Default: show(defaults[i].get())})
	}
	return all
}
