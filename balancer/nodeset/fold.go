package nodeset

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// parsedName is a name taken apart: its numbers, and what is around them with
// %s in place of each.
type parsedName struct {
	name, pattern string
	indexes       []string
}

func parseName(name string) parsedName {
	p := parsedName{name: name}
	var pattern strings.Builder
	for i := 0; i < len(name); {
		start := i
		for i < len(name) && name[i] >= '0' && name[i] <= '9' {
			i++
		}
		switch {
		case i == start:
			pattern.WriteByte(name[i])
			i++
		case i-start > digitsMax: // too long for a number: text
			pattern.WriteString(name[start:i])
		default:
			pattern.WriteString("%s")
			p.indexes = append(p.indexes, name[start:i])
		}
	}
	p.pattern = pattern.String()
	return p
}

func compareNames(a, b parsedName) int {
	return cmp.Or(cmp.Compare(a.pattern, b.pattern), slices.CompareFunc(a.indexes, b.indexes, compareIndexes), cmp.Compare(a.name, b.name))
}

// compareIndexes orders numbers of the same width by value, after all that are
// shorter: zeros in front make another number.
func compareIndexes(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// Fold writes names as one expression, the shortest that is easily found, each
// name once.
func Fold(names []string) string {
	parsed := make([]parsedName, len(names))
	for i, name := range names {
		parsed[i] = parseName(name)
	}
	slices.SortFunc(parsed, compareNames)
	parsed = slices.CompactFunc(parsed, func(a, b parsedName) bool { return a.name == b.name })

	var terms []string
	for len(parsed) > 0 {
		n := slices.IndexFunc(parsed, func(p parsedName) bool { return p.pattern != parsed[0].pattern })
		if n < 0 {
			n = len(parsed)
		}
		for _, b := range boxes(parsed[:n]) {
			terms = append(terms, b.write(parsed[0].pattern))
		}
		parsed = parsed[n:]
	}
	return strings.Join(terms, ",")
}

// box is the product of a list of indexes for each dimension.
type box [][]string

// boxes covers names of one pattern by as few boxes as merging finds: two that
// differ in one dimension alone become one, until none do.
func boxes(names []parsedName) []box {
	all := make([]box, len(names))
	for i, n := range names {
		all[i] = make(box, len(n.indexes))
		for d, index := range n.indexes {
			all[i][d] = []string{index}
		}
	}
	if len(names[0].indexes) == 0 {
		return all
	}
	for merged := true; merged; {
		merged = false
		for d := range slices.Backward(names[0].indexes) {
			n := len(all)
			all = merge(all, d)
			merged = merged || len(all) < n
		}
	}
	return all
}

// merge joins the boxes that differ in dimension d alone. The order of what
// remains is that of the first of each.
func merge(all []box, d int) []box {
	place := map[string]int{}
	var joined []box
	for _, b := range all {
		var key strings.Builder
		for i, indexes := range b {
			if i != d {
				key.WriteString(strings.Join(indexes, ","))
			}
			key.WriteByte(';')
		}
		i, ok := place[key.String()]
		if !ok {
			place[key.String()] = len(joined)
			joined = append(joined, b)
			continue
		}
		joined[i] = slices.Clone(joined[i])
		joined[i][d] = slices.Concat(joined[i][d], b[d]) // disjoint: names are distinct
	}
	for i := range joined {
		slices.SortFunc(joined[i][d], compareIndexes)
	}
	return joined
}

func (b box) write(pattern string) string {
	for _, indexes := range b {
		text := foldIndexes(indexes)
		if len(indexes) > 1 {
			text = "[" + text + "]"
		}
		pattern = strings.Replace(pattern, "%s", text, 1)
	}
	return pattern
}

// foldIndexes writes ordered numbers as ranges.
func foldIndexes(indexes []string) string {
	var ranges []string
	for len(indexes) > 0 {
		n := 1
		for n < len(indexes) && follows(indexes[n-1], indexes[n], padded(indexes[0])) {
			n++
		}
		if n == 1 {
			ranges = append(ranges, indexes[0])
		} else {
			ranges = append(ranges, indexes[0]+"-"+indexes[n-1])
		}
		indexes = indexes[n:]
	}
	return strings.Join(ranges, ",")
}

// follows reports whether b is the next number after a in a range that began
// with zeros in front, or without.
func follows(a, b string, zeros bool) bool {
	if zeros && len(a) != len(b) || !zeros && padded(b) {
		return false
	}
	x, _ := strconv.Atoi(a) // parseName has seen that they are
	y, _ := strconv.Atoi(b)
	return y == x+1
}
