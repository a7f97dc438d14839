package nodeset

import "slices"

// Set is a set of host names.
type Set map[string]struct{}

// Of is the set of these names.
func Of(names ...string) Set {
	s := make(Set, len(names))
	for _, name := range names {
		s[name] = struct{}{}
	}
	return s
}

// Names returns the names in their natural order: node2 before node10.
func (s Set) Names() []string {
	parsed := make([]parsedName, 0, len(s))
	for name := range s {
		parsed = append(parsed, parseName(name))
	}
	slices.SortFunc(parsed, compareNames)
	names := make([]string, len(parsed))
	for i, p := range parsed {
		names[i] = p.name
	}
	return names
}

// String writes the set folded.
func (s Set) String() string { return Fold(s.Names()) }

func (s Set) add(o Set) Set {
	for name := range o {
		s[name] = struct{}{}
	}
	return s
}

func (s Set) remove(o Set) Set {
	for name := range o {
		delete(s, name)
	}
	return s
}

func (s Set) keep(o Set) Set {
	for name := range s {
		if _, ok := o[name]; !ok {
			delete(s, name)
		}
	}
	return s
}

func (s Set) toggle(o Set) Set {
	for name := range o {
		if _, ok := s[name]; ok {
			delete(s, name)
		} else {
			s[name] = struct{}{}
		}
	}
	return s
}
