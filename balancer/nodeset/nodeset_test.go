package nodeset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// table is groups in memory.
type table map[string]string

func (g table) Group(source, name string) (string, error) {
	if source != "" {
		name = source + ":" + name
	}
	if e, ok := g[name]; ok {
		return e, nil
	}
	return "", fmt.Errorf("there is no group @%s", name)
}

func (g table) All(source string) (string, error) {
	if e, ok := g[source+":all"]; ok {
		return e, nil
	}
	return "", errors.New("no hosts")
}

var groups = table{
	"web": "node[1-3]", "db": "node[3-5]", "both": "@web,@db", "loop": "@loop",
	"racks:r1": "node[1-2]", "racks:r2": "node[3-4]", "racks:old": "@r[1-2]!node4",
	":all": "node[1-10],gpu1", "racks:all": "node[1-4]",
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ expression, want string }{
		{"", ""},
		{"  ", ""},
		{"node1", "node1"},
		{"node", "node"},
		{"node[1-10,15]", "node[1-10,15]"},
		{"node[10-15,1-9]", "node[1-15]"},
		{"node[001-010]", "node[001-010]"},
		{"node[1-9/2]", "node[1,3,5,7,9]"},
		{"node[9-10]", "node[9-10]"},
		{"node[09-10,9]", "node[9,09-10]"},
		{"node1,node2 , node3", "node[1-3]"},
		{"rack[1-2]-node[1-3]", "rack[1-2]-node[1-3]"},
		{"r1n1,r1n2,r2n1,r2n2,r3n1", "r[1-2]n[1-2],r3n1"},
		{"node[1-3].example.org", "node[1-3].example.org"},
		{"[1-3]", "[1-3]"},
		{"node[1-10]!node[3-5]", "node[1-2,6-10]"},
		{"node[1-10]&node[5-20]", "node[5-10]"},
		{"node[1-3]^node[2-5]", "node[1,4-5]"},
		{"node[1-5]!node2,node2", "node[1-5]"}, // from the left
		{"node1[2-3]", "node[12-13]"},
		{"node1[9-10]", "node[19,110]"},
		{"@web", "node[1-3]"},
		{"@both!@web", "node[4-5]"},
		{"@racks:r1", "node[1-2]"},
		{"@racks:r[1-2]", "node[1-4]"},
		{"@racks:old", "node[1-3]"},
		{"@*", "gpu1,node[1-10]"},
		{"@racks:*", "node[1-4]"},
		{"@*!@racks:*", "gpu1,node[5-10]"},
		{"node*", "node[1-10]"},
		{"node?", "node[1-9]"},
		{"node[1-2]*", "node[1-2,10]"},
		{"nothing*", ""},
		{"x99999999999999999999", "x99999999999999999999"},
	} {
		got, err := Parse(tt.expression, groups)
		if err != nil || got.String() != tt.want {
			t.Errorf("%q is %q (%v), want %q", tt.expression, got, err, tt.want)
		}
	}
}

func TestParseFaults(t *testing.T) {
	for expression, want := range map[string]string{
		"node[1-3":                  "not closed",
		"node1-3]":                  "not opened",
		"node[1[2]]":                "within another",
		"node[1][2]":                "nothing between",
		"node[]":                    `"" is not a number`,
		"node[1,,2]":                `"" is not a number`,
		"node[3-1]":                 "3 comes after 1",
		"node[01-1]":                "not padded to the same width",
		"node[1-5/0]":               "no step",
		"node[5/2]":                 "no step",
		"node[a-b]":                 `"a" is not a number`,
		"node[-5]":                  `"" is not a number`,
		",node1":                    "missing beside an operator",
		"node1,":                    "missing beside an operator",
		"node1!!node2":              "missing beside an operator",
		"node 1":                    "not part of a name",
		"node\x1b[1-2]":             "not part of a name",
		"node[1-100000]":            "more than 65536",
		"n[1-999]-[1-999]":          "more than 65536",
		"@nobody":                   "there is no group @nobody",
		"@":                         "not the name of a group",
		"@web*":                     "not the name of a group",
		"@loop":                     "more than 32 deep",
		"x[1-99999999999999999999]": "not a number of at most 18 digits",
	} {
		got, err := Parse(expression, groups)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %q (%v), want a fault with %q", expression, got, err, want)
		}
	}
	if _, err := Parse("@web", nil); err == nil || !strings.Contains(err.Error(), "no group file was found") {
		t.Errorf("without groups: %v", err)
	}
}

func TestFoldIsParseBackwards(t *testing.T) {
	name := rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"n", "node", "-", ".x", "0", "1", "2", "9", "10", "01", "09", "007", "99"}), 1, 6)
		return strings.Join(parts.Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(name, 0, 30).Draw(t, "names")
		want := Of(names...)
		folded := Fold(names)
		got, err := Parse(folded, nil)
		if err != nil {
			t.Fatalf("%q folds to %q: %v", names, folded, err)
		}
		if !slices.Equal(got.Names(), want.Names()) {
			t.Fatalf("%q folds to %q, which is %q", names, folded, got.Names())
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"node[1-10,15]", "a[1-2]b[01-03/2]c!a1b01c", "@racks:r[1-2]^node*", "@*&@web", "x[1-9][1]", "[[", "a,,b", "@both",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		s, err := Parse(expression, groups)
		if err != nil {
			return
		}
		if len(s) > MaxNames {
			t.Fatalf("%d names", len(s))
		}
		again, err := Parse(s.String(), nil)
		if err != nil {
			t.Fatalf("%q folds to %q: %v", expression, s, err)
		}
		if !slices.Equal(again.Names(), s.Names()) {
			t.Fatalf("%q folds to %q, which is %q", s.Names(), s, again.Names())
		}
	})
}

func BenchmarkFold(b *testing.B) {
	s, err := Parse("rack[1-20]-node[001-100]", nil)
	if err != nil {
		b.Fatal(err)
	}
	names := s.Names()
	for b.Loop() {
		Fold(names)
	}
}
