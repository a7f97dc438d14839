package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxSize bounds what is read of a file. The example has a few percent of it.
const maxSize = 1 << 20

// Load reads a configuration file. See Parse.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxSize {
		return Config{}, fmt.Errorf("read configuration: %s is larger than %d bytes", path, maxSize)
	}
	return Parse(path, data)
}

// Parse reads a configuration: what data sets, over the defaults.
//
// The error joins all faults of a kind, each a line that begins with name, the
// name of the file. First come those of the text (unknown keys, values of the
// wrong kind, each with its line); only when there are none, those of the
// values (see Config.Validate).
func Parse(name string, data []byte) (Config, error) {
	c := Default()
	if err := c.decode(string(data)); err != nil {
		return Config{}, prefix(name, err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, prefix(name, err)
	}
	return c, nil
}

// decode sets what data says in c.
func (c *Config) decode(data string) error {
	var root map[string]any
	meta, err := toml.Decode(data, &root)
	if err != nil {
		if p, ok := errors.AsType[toml.ParseError](err); ok {
			// It quotes what it found, and that may be the end of the line.
			return fault{p.Position.Line, errors.New(strings.ReplaceAll(p.Message, "\n", `\n`))}
		}
		return err
	}

	keys := c.keys()
	byName := make(map[string]key, len(keys))
	for _, k := range keys {
		byName[k.name] = k
	}
	tables := sections(keys)

	// The preset comes before all others, wherever it stands. What is wrong with
	// it is told below.
	if v, ok := lookup(root, toml.Key{"policy", "preset"}); ok && byName["policy.preset"].set(v) == nil {
		c.Policy = c.Policy.With(c.Preset)
	}

	const most = 20 // faults told; finding the line of each reads the whole file
	var errs []error
	untold := 0
	add := func(k toml.Key, err error) {
		if len(errs) == most {
			untold++
			return
		}
		errs = append(errs, fault{lineOf(data, k), err})
	}
	done := make(map[string]bool) // keys whose children need no further word
	for _, k := range meta.Keys() {
		name := k.String()
		v, exists := lookup(root, k)
		switch known, ok := byName[name]; {
		case !exists || done[name] || done[k[:len(k)-1].String()]:
			done[name] = true
		case ok:
			done[name] = true
			if err := known.set(v); err != nil {
				add(k, fmt.Errorf("%s %w", name, err))
			}
		case slices.Contains(tables, name):
			if _, isTable := v.(map[string]any); !isTable {
				done[name] = true
				add(k, fmt.Errorf("%s is a section: write [%s] on a line of its own and its keys below", name, name))
			}
		default:
			done[name] = true
			_, isTable := v.(map[string]any)
			add(k, unknown(name, isTable, keys, tables))
		}
	}
	if untold > 0 {
		errs = append(errs, fmt.Errorf("faults beyond these: %d", untold))
	}
	return errors.Join(errs...)
}

// unknown is the fault of a key or section that does not exist.
func unknown(name string, isTable bool, keys []key, tables []string) error {
	if isTable {
		if s, ok := closest(name, tables); ok {
			return fmt.Errorf("unknown section [%s]; did you mean [%s]?", name, s)
		}
		return fmt.Errorf("unknown section [%s]; there are: %s", name, strings.Join(tables, ", "))
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	if s, ok := closest(name, names); ok {
		return fmt.Errorf("unknown key %s; did you mean %s?", name, s)
	}
	return fmt.Errorf("unknown key %s; config.example.toml lists them all", name)
}

// lookup finds the value of a key. It misses what lies in arrays of tables,
// which no key of ours is.
func lookup(table map[string]any, k toml.Key) (any, bool) {
	for i, part := range k {
		v, ok := table[part]
		if !ok || i == len(k)-1 {
			return v, ok
		}
		if table, ok = v.(map[string]any); !ok {
			return nil, false
		}
	}
	return nil, false
}

// lineOf returns the line on which a key is set, 0 if that cannot be told.
//
// The library keeps its positions to itself except in errors, so this decodes
// the key once more, into something that refuses it.
func lineOf(data string, k toml.Key) int {
	var table map[string]toml.Primitive
	meta, err := toml.Decode(data, &table)
	for i, part := range k {
		next, ok := table[part]
		if err != nil || !ok {
			return 0
		}
		if i == len(k)-1 {
			p, _ := errors.AsType[toml.ParseError](meta.PrimitiveDecode(next, new(refuser)))
			return p.Position.Line
		}
		table = nil
		err = meta.PrimitiveDecode(next, &table)
	}
	return 0
}

type refuser struct{}

func (*refuser) UnmarshalTOML(any) error { return errors.New("refused") }

// fault is something wrong on a line.
type fault struct {
	line int
	err  error
}

func (f fault) Error() string { return f.err.Error() }
func (f fault) Unwrap() error { return f.err }

// prefix puts the file's name, and the line where there is one, before each of
// the joined errors.
func prefix(name string, err error) error {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for i, e := range errs {
		if f, ok := errors.AsType[fault](e); ok && f.line > 0 {
			errs[i] = fmt.Errorf("%s:%d: %w", name, f.line, e)
		} else {
			errs[i] = fmt.Errorf("%s: %w", name, e)
		}
	}
	return errors.Join(errs...)
}
