package nodeset

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// GroupFile is groups read from ClusterShell's files.
type GroupFile struct {
	path          string
	defaultSource string
	sources       map[string]source
}

// source is where groups of one kind come from.
type source interface {
	group(name string) (string, error)
	// all is errNoAll where a source does not say.
	all() (string, error)
	names() ([]string, error)
}

var errNoAll = errors.New("the source does not say which hosts it has")

// ReadGroups reads a YAML file of groups, or a groups.conf with the files that
// it refers to.
//
// In YAML, the top keys are sources and the keys below them groups; the first
// source is the default one. A groups.conf names commands that are run, by
// /bin/sh and as whoever calls this, when a group of theirs is asked for.
func ReadGroups(path string) (*GroupFile, error) {
	f := &GroupFile{path: path, sources: map[string]source{}}
	var err error
	if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
		f.defaultSource, err = f.readYAML(path)
	} else {
		err = f.readConf(path)
	}
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	return f, nil
}

// Group implements Groups.
func (f *GroupFile) Group(name, group string) (string, error) {
	s, name, err := f.source(name)
	if err != nil {
		return "", err
	}
	e, err := s.group(group)
	if err != nil {
		return "", fmt.Errorf("group @%s:%s: %w", name, group, err)
	}
	return e, nil
}

// All implements Groups: what the source says, or else all its groups together.
func (f *GroupFile) All(name string) (string, error) {
	s, name, err := f.source(name)
	if err != nil {
		return "", err
	}
	e, err := s.all()
	if !errors.Is(err, errNoAll) {
		return e, err
	}
	groups, err := s.names()
	if err != nil {
		return "", fmt.Errorf("@%s:*: %w", name, err)
	}
	for i := range groups {
		groups[i] = "@" + name + ":" + groups[i]
	}
	return strings.Join(groups, ","), nil
}

func (f *GroupFile) source(name string) (source, string, error) {
	if name == "" {
		name = f.defaultSource
	}
	s, ok := f.sources[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(f.sources)), ", ")
		return nil, name, fmt.Errorf("%s has no group source %q, only: %s", f.path, name, known)
	}
	return s, name, nil
}

// readYAML takes the sources of a YAML file in, and returns the first.
func (f *GroupFile) readYAML(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sources, err := parseYAML(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	first := ""
	for _, s := range sources {
		if first == "" {
			first = s.name
		}
		f.sources[s.name] = s.groups
	}
	return first, nil
}

type namedGroups struct {
	name   string
	groups staticGroups
}

// parseYAML reads sources, in the order of the file.
func parseYAML(data []byte) ([]namedGroups, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: not a mapping from sources to groups", top.Line)
	}
	var all []namedGroups
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, groups := top.Content[i], top.Content[i+1]
		if groups.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("line %d: source %q is not a mapping from groups to hosts", groups.Line, name.Value)
		}
		s := namedGroups{name.Value, staticGroups{}}
		for j := 0; j+1 < len(groups.Content); j += 2 {
			nodes, err := yamlNodes(groups.Content[j+1])
			if err != nil {
				return nil, err
			}
			s.groups[groups.Content[j].Value] = nodes
		}
		all = append(all, s)
	}
	return all, nil
}

// yamlNodes is a text, or a list of texts.
func yamlNodes(n *yaml.Node) (string, error) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "", nil
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case n.Kind == yaml.SequenceNode:
		var parts []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", fmt.Errorf("line %d: not a text", item.Line)
			}
			parts = append(parts, item.Value)
		}
		return strings.Join(parts, ","), nil
	default:
		return "", fmt.Errorf("line %d: neither a text nor a list", n.Line)
	}
}

// staticGroups are groups in a file.
type staticGroups map[string]string

func (g staticGroups) group(name string) (string, error) {
	if e, ok := g[name]; ok {
		return e, nil
	}
	return "", errors.New("there is no such group")
}

func (g staticGroups) all() (string, error) {
	if e, ok := g["all"]; ok {
		return e, nil
	}
	return "", errNoAll
}

func (g staticGroups) names() ([]string, error) { return slices.Sorted(maps.Keys(g)), nil }
