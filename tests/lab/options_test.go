package lab

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestOptionsDefaults(t *testing.T) {
	o, err := Options{Name: "x"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if o.Hosts != 3 || o.Capacity != 60 || o.KeepaliveInterval != 5*time.Second || !strings.HasSuffix(o.Dir, "/vblab-x") {
		t.Errorf("defaults: %+v", o)
	}
}

func TestOptionsFaultsAreReportedTogether(t *testing.T) {
	_, err := Options{
		Name: "Not Good", Dir: "/run/lab", Hosts: 1000, Capacity: -1, MemoryMiB: 1,
		KeepaliveInterval: 1500 * time.Millisecond, KeepaliveCount: -1, Weight: 1,
	}.withDefaults()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{
		`name "Not Good"`, "below /run", "hosts 1000", "capacity -1", "memory 1 MiB",
		"interval 1.5s", "count -1", "weight 1",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error does not mention %q:\n%v", part, err)
		}
	}
}

func TestNameFor(t *testing.T) {
	for _, readable := range []string{"TestUp/with odd_Name", "", "x", strings.Repeat("long-", 20), "---"} {
		a, b := NameFor(readable, "one"), NameFor(readable, "two")
		if !validName.MatchString(a) || !validName.MatchString(b) {
			t.Errorf("%q: not valid names: %q, %q", readable, a, b)
		}
		if a == b {
			t.Errorf("%q: different keys have the same name %q", readable, a)
		}
	}
}

func TestDefaultNameIsThatOfTheModule(t *testing.T) {
	t.Setenv("VBLAB_NAME", "")
	here := DefaultName()
	t.Chdir("guest")
	if there := DefaultName(); here != there {
		t.Errorf("%q in one directory, %q in another of the same module", here, there)
	}
	t.Setenv("VBLAB_NAME", "mine")
	if n := DefaultName(); n != "mine" {
		t.Errorf("VBLAB_NAME=mine gives %q", n)
	}
}

func TestHostUUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, lab := range []string{"a", "b"} {
		for _, host := range []string{"h1", "h2"} {
			u := hostUUID(lab, host)
			if !form.MatchString(u) || seen[u] || u != hostUUID(lab, host) {
				t.Errorf("%s %s: UUID %s", lab, host, u)
			}
			seen[u] = true
		}
	}
}
