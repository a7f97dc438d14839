package nodeset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// upcallTimeout bounds a command of a groups.conf.
const upcallTimeout = 10 * time.Second

// readConf takes in a groups.conf: the sources in it, and those of the files in
// its confdir and autodir.
func (f *GroupFile) readConf(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sections, err := parseConf(string(data))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	dir := filepath.Dir(path)
	f.addUpcalls(sections, dir)
	settings := sections["Main"]
	if settings == nil {
		settings = map[string]string{}
	}
	f.defaultSource = settings["default"]
	inDirs := func(key, pattern string, read func(string) error) error {
		for d := range strings.FieldsSeq(strings.ReplaceAll(settings[key], "$CFGDIR", dir)) {
			files, err := filepath.Glob(filepath.Join(d, pattern))
			if err != nil {
				return err
			}
			for _, file := range files {
				if err := read(file); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return errors.Join(
		inDirs("confdir", "*.conf", func(file string) error {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			more, err := parseConf(string(data))
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			f.addUpcalls(more, filepath.Dir(file))
			return nil
		}),
		inDirs("autodir", "*.yaml", func(file string) error {
			first, err := f.readYAML(file)
			if f.defaultSource == "" {
				f.defaultSource = first
			}
			return err
		}),
	)
}

// addUpcalls adds sources; a section may name several, with commas.
func (f *GroupFile) addUpcalls(sections map[string]map[string]string, dir string) {
	for section, commands := range sections {
		if section == "Main" {
			continue
		}
		for name := range strings.SplitSeq(section, ",") {
			name = strings.TrimSpace(name)
			f.sources[name] = upcalls{name: name, dir: dir, commands: commands}
		}
	}
}

// parseConf reads sections of keys and values, as Python's configparser does for
// what such files use of it: "key: value", "key = value", comments, and values
// that go on in lines that are indented.
func parseConf(text string) (map[string]map[string]string, error) {
	sections := map[string]map[string]string{}
	var section map[string]string
	last := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "", trimmed[0] == '#', trimmed[0] == ';':
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, fmt.Errorf("line %d: indented, but goes on from nothing", i+1)
			}
			section[last] += "\n" + trimmed
		case trimmed[0] == '[' && trimmed[len(trimmed)-1] == ']':
			name := trimmed[1 : len(trimmed)-1]
			if sections[name] == nil {
				sections[name] = map[string]string{}
			}
			section, last = sections[name], ""
		default:
			at := strings.IndexAny(trimmed, ":=")
			if at < 1 || section == nil {
				return nil, fmt.Errorf("line %d: neither a [section] nor key: value in one", i+1)
			}
			last = strings.ToLower(strings.TrimSpace(trimmed[:at]))
			section[last] = strings.TrimSpace(trimmed[at+1:])
		}
	}
	return sections, nil
}

// upcalls are groups that commands tell.
type upcalls struct {
	name, dir string
	commands  map[string]string
}

func (u upcalls) group(name string) (string, error) {
	out, err := u.run("map", name)
	if err == nil && out == "" {
		err = errors.New("there is no such group, or it is empty")
	}
	return out, err
}

func (u upcalls) all() (string, error) {
	if u.commands["all"] == "" {
		return "", errNoAll
	}
	return u.run("all", "")
}

func (u upcalls) names() ([]string, error) {
	out, err := u.run("list", "")
	return slices.DeleteFunc(strings.Split(out, ","), func(s string) bool { return s == "" }), err
}

// run runs a command and returns its words, separated by commas.
func (u upcalls) run(key, group string) (string, error) {
	command := u.commands[key]
	if command == "" {
		return "", fmt.Errorf("the source has no command %q", key)
	}
	// A name goes into a shell's command line: only what names are made of may.
	if strings.Trim(group, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+:/=") != "" {
		return "", fmt.Errorf("%q is not the name of a group", group)
	}
	command = strings.NewReplacer("$GROUP", group, "${GROUP}", group, "$SOURCE", u.name, "${SOURCE}", u.name, "$CFGDIR", u.dir, "${CFGDIR}", u.dir, "$$", "$").Replace(command)
	ctx, cancel := context.WithTimeout(context.Background(), upcallTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir = u.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("its command %q: %w: %s", key, err, strings.TrimSpace(stderr.String()))
	}
	return strings.Join(strings.Fields(string(out)), ","), nil
}

// FindGroups is the file that ClusterShell would read: groups.conf in
// $CLUSTERSHELL_CFGDIR, in ~/.config/clustershell or in /etc/clustershell; ""
// if there is none.
func FindGroups(getenv func(string) string) string {
	for _, dir := range []string{getenv("CLUSTERSHELL_CFGDIR"), filepath.Join(getenv("HOME"), ".config/clustershell"), "/etc/clustershell"} {
		if dir == "" {
			continue
		}
		path := filepath.Join(dir, "groups.conf")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}
