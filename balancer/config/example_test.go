package config

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

const example = "../../config.example.toml"

// The example is the documentation: it must say what the code does.
func TestExampleEqualsDefault(t *testing.T) {
	c, err := Load(example)
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("the example differs from Default():\n got %+v\nwant %+v", c, want)
	}
}

// Every key stands in the example, in the order of the table, below a comment
// that names its default, and "live" exactly when it is.
func TestExampleDescribesEveryKey(t *testing.T) {
	f, err := os.Open(example)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	d := Default()
	keys := d.keys()
	section := ""
	var comment []string
	next := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "#"):
			comment = append(comment, strings.TrimSpace(strings.TrimPrefix(line, "#")))
		case line == "":
			comment = nil
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]") + "."
			comment = nil
		default:
			name, _, _ := strings.Cut(line, " = ")
			if next == len(keys) {
				t.Fatalf("%s%s is not in the table of keys", section, name)
			}
			k := keys[next]
			next++
			if section+name != k.name {
				t.Fatalf("%s stands where %s is expected", section+name, k.name)
			}
			if want := fmt.Sprintf("%s = %s", name, show(k.get())); line != want {
				t.Errorf("%s: the line is %q, want %q", k.name, line, want)
			}
			if want := fmt.Sprintf("Default: %s.", show(k.get())); len(comment) < 2 || comment[len(comment)-1] != want {
				t.Errorf("%s: the comment above must end with a line %q", k.name, want)
			}
			live := section == "policy." || strings.Contains(strings.Join(comment, "\n"), "Live.")
			if live != k.live {
				t.Errorf("%s: the comment says live = %t, the table %t", k.name, live, k.live)
			}
		}
	}
	if next < len(keys) {
		t.Errorf("%s is not in the example", keys[next].name)
	}
}

// Every field of Config has a key, so that nothing can be set in the code that
// cannot be set in the file.
func TestEveryFieldHasAKey(t *testing.T) {
	var c Config
	reached := make(map[uintptr]string)
	for _, k := range c.keys() {
		p := reflect.ValueOf(k.value).FieldByName("p").Pointer()
		if other, dup := reached[p]; dup {
			t.Errorf("%s and %s are the same field", k.name, other)
		}
		reached[p] = k.name
	}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		for i := range v.NumField() {
			f, name := v.Field(i), path+"."+v.Type().Field(i).Name
			_, ok := reached[f.Addr().Pointer()]
			_, isValue := reflect.TypeAssert[fmt.Stringer](f) // a struct with an inside of its own
			switch {
			case f.Kind() == reflect.Struct && !isValue:
				walk(f, name)
			case !ok:
				t.Errorf("no key sets %s", name)
			}
		}
	}
	walk(reflect.ValueOf(&c).Elem(), "Config")
}
