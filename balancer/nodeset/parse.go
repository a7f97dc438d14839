package nodeset

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// MaxNames bounds the hosts of one expression, with all that it is made from.
const MaxNames = 1 << 16

// maxDepth bounds groups that are made of groups.
const maxDepth = 32

// Groups knows the groups and hosts that an expression may name. An empty
// source is the default one.
type Groups interface {
	// Group returns the expression that makes up a group; names in it without a
	// source are of the same source.
	Group(source, name string) (string, error)
	// All returns the expression for every host of a source; for every host
	// that there is, if source is empty.
	All(source string) (string, error)
}

// NoGroups knows none.
type NoGroups struct{}

// Group implements Groups.
func (NoGroups) Group(_, name string) (string, error) {
	return "", fmt.Errorf("there is no group @%s: no group file was found", name)
}

// All implements Groups.
func (NoGroups) All(string) (string, error) {
	return "", errors.New("it is not known which hosts there are")
}

// Parse evaluates an expression. An empty one is the empty set.
func Parse(expression string, g Groups) (Set, error) {
	if g == nil {
		g = NoGroups{}
	}
	p := parser{groups: g}
	s, err := p.evaluate(expression, "", 0)
	if err != nil {
		return nil, fmt.Errorf("host set %.80q: %w", expression, err)
	}
	return s, nil
}

type parser struct {
	groups Groups
	// made counts the names that have been made so far.
	made int
}

// operators combine two sets; the left one may be changed.
var operators = map[byte]func(a, b Set) Set{
	',': Set.add, '!': Set.remove, '&': Set.keep, '^': Set.toggle,
}

func (p *parser) evaluate(expression, source string, depth int) (Set, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("groups refer to one another more than %d deep", maxDepth)
	}
	result := Set{}
	if strings.TrimSpace(expression) == "" {
		return result, nil
	}
	op := byte(',')
	for rest := expression; ; {
		end, err := endOfTerm(rest)
		if err != nil {
			return nil, err
		}
		term := strings.TrimSpace(rest[:end])
		if term == "" {
			return nil, errors.New("a host set is missing beside an operator")
		}
		s, err := p.term(term, source, depth)
		if err != nil {
			return nil, err
		}
		result = operators[op](result, s)
		if end == len(rest) {
			return result, nil
		}
		op, rest = rest[end], rest[end+1:]
	}
}

// endOfTerm is where the first operator outside of brackets stands, or the end.
func endOfTerm(s string) (int, error) {
	open := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '[' && open:
			return 0, errors.New("a bracket is opened within another")
		case c == '[' && i > 0 && s[i-1] == ']':
			return 0, errors.New("two pairs of brackets with nothing between")
		case c == '[':
			open = true
		case c == ']' && !open:
			return 0, errors.New("a bracket is closed that was not opened")
		case c == ']':
			open = false
		case !open && operators[c] != nil:
			return i, nil
		}
	}
	if open {
		return 0, errors.New("a bracket is not closed")
	}
	return len(s), nil
}

// term evaluates what stands between two operators.
func (p *parser) term(term, source string, depth int) (Set, error) {
	names, err := p.expand(term)
	if err != nil {
		return nil, err
	}
	result := Set{}
	for _, name := range names {
		switch {
		case name[0] == '@':
			s, err := p.group(name[1:], source, depth)
			if err != nil {
				return nil, err
			}
			result = result.add(s)
		case strings.ContainsAny(name, "*?"):
			all, err := p.all("", source, depth)
			if err != nil {
				return nil, err
			}
			for known := range all {
				if ok, err := path.Match(name, known); err != nil {
					return nil, err
				} else if ok {
					result[known] = struct{}{}
				}
			}
		default:
			result[name] = struct{}{}
		}
	}
	return result, nil
}

// group evaluates a group by its name, without the @.
func (p *parser) group(name, source string, depth int) (Set, error) {
	if before, after, ok := strings.Cut(name, ":"); ok {
		source, name = before, after
	}
	if name == "*" {
		return p.all(source, source, depth)
	}
	if name == "" || strings.ContainsAny(name, "@*?") {
		return nil, fmt.Errorf("@%s is not the name of a group", name)
	}
	expression, err := p.groups.Group(source, name)
	if err != nil {
		return nil, err
	}
	s, err := p.evaluate(expression, source, depth+1)
	if err != nil {
		return nil, fmt.Errorf("group @%s: %w", name, err)
	}
	return s, nil
}

func (p *parser) all(source, inside string, depth int) (Set, error) {
	expression, err := p.groups.All(source)
	if err != nil {
		return nil, err
	}
	return p.evaluate(expression, inside, depth+1)
}

// expand writes the brackets of a term out.
func (p *parser) expand(term string) ([]string, error) {
	names := []string{""}
	for term != "" {
		text, rest, bracket := strings.Cut(term, "[")
		if err := plain(text); err != nil {
			return nil, err
		}
		for i := range names {
			names[i] += text
		}
		if !bracket {
			break
		}
		ranges, after, _ := strings.Cut(rest, "]") // endOfTerm has seen it
		indexes, err := expandRanges(ranges)
		if err != nil {
			return nil, err
		}
		if p.made += len(names) * len(indexes); p.made > MaxNames {
			return nil, fmt.Errorf("more than %d hosts", MaxNames)
		}
		product := make([]string, 0, len(names)*len(indexes))
		for _, name := range names {
			for _, index := range indexes {
				product = append(product, name+index)
			}
		}
		names, term = product, after
	}
	if p.made += len(names); p.made > MaxNames {
		return nil, fmt.Errorf("more than %d hosts", MaxNames)
	}
	return names, nil
}

// plain refuses what is no part of a name.
func plain(text string) error {
	for _, r := range text {
		if r <= ' ' || r == '%' || r == 0x7f || r == '\\' {
			return fmt.Errorf("%q is not part of a name", r)
		}
	}
	return nil
}
