package libvirt

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

const someHost policy.HostID = "6d4f3e0e-0000-4000-8000-000000000001"

func TestParseRules(t *testing.T) {
	last := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	history := policy.MoveHistory{Last: last, From: someHost, Count: 2}
	moved := `<moved last="2026-05-04T03:02:01Z" from="` + strings.ToUpper(string(someHost)) + `" count="2"/>`
	for _, c := range []struct {
		name, in string
		want     rules
		fault    error // errHistory, or errMetadata for anything else
	}{
		{"empty", `<domain/>`, rules{}, nil},
		{"libvirt's own form", `<v:domain xmlns:v="https://virtbalance.org/domain/1"><v:pin/></v:domain>`, rules{pin: true}, nil},
		{"virsh metadata --set", `<v:rules xmlns:v="https://virtbalance.org/domain/1"><ignore/></v:rules>`, rules{ignore: true}, nil},
		{"default namespace", `<domain xmlns="https://virtbalance.org/domain/1"><pin/>` + moved + `</domain>`, rules{pin: true, history: history}, nil},
		{"somebody else's pin", `<domain xmlns:o="urn:o"><o:pin/></domain>`, rules{rest: `<pin xmlns="urn:o"></pin>`}, nil},
		{
			"unknown children are kept and made independent",
			`<v:domain xmlns:v="https://virtbalance.org/domain/1" xmlns:o="urn:o"><v:group name="a&amp;b"><member/>x &lt; y</v:group><o:n o:k="1"><plain/></o:n></v:domain>`,
			rules{rest: `<group name="a&amp;b"><member></member>x &lt; y</group>` +
				`<n xmlns="urn:o" xmlns:n0="urn:o" n0:k="1"><plain xmlns=""></plain></n>`},
			nil,
		},
		{"an unknown attribute of moved", `<domain><moved count="1" colour="red"/></domain>`, rules{history: policy.MoveHistory{Count: 1}}, nil},
		{"a bad time", `<domain><moved last="yesterday"/><pin/></domain>`, rules{pin: true}, errHistory},
		{"a year that cannot be", `<domain><moved last="9999-01-01T00:00:00Z"/></domain>`, rules{}, errHistory},
		{"a negative count", `<domain><moved count="-1"/></domain>`, rules{}, errHistory},
		{"a huge count", `<domain><moved count="100000000"/></domain>`, rules{}, errHistory},
		{"no host", `<domain><moved from="h1"/></domain>`, rules{}, errHistory},
		{"not XML", `<domain><pin></domain>`, rules{pin: true}, errMetadata},
		{"nothing", ``, rules{}, errMetadata},
		{"too long", `<domain><a>` + strings.Repeat("x", metadataMax) + `</a></domain>`, rules{}, errMetadata},
		{"too deep", `<domain>` + strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40) + `</domain>`, rules{}, errMetadata},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseRules(c.in)
			if !errors.Is(err, c.fault) || errors.Is(err, errHistory) != errors.Is(c.fault, errHistory) {
				t.Errorf("error: %v, want %v", err, c.fault)
			}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestReadMetadata(t *testing.T) {
	// Namespaces may be declared far away from where they are used.
	const def = `<domain type="kvm" xmlns:n="http://openstack.org/xmlns/libvirt/nova/1.1">
	  <name>x</name>
	  <description>&lt;pin/&gt;</description>
	  <metadata xmlns:v="https://virtbalance.org/domain/1">
	    <n:instance><n:name>i</n:name></n:instance>
	    <v:domain><v:pin/></v:domain>
	  </metadata>
	  <devices><metadata><ignore xmlns="https://virtbalance.org/domain/1"/></metadata></devices>
	</domain>`
	r, others, err := readMetadata(def)
	if err != nil || !r.pin || r.ignore {
		t.Errorf("rules: %+v, %v", r, err)
	}
	if len(others) != 1 || others[0] != "http://openstack.org/xmlns/libvirt/nova/1.1" {
		t.Errorf("others: %q", others)
	}
	if _, _, err := readMetadata(`<domain><metadata>`); err == nil {
		t.Error("half a definition is accepted")
	}
}

func TestMetadataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rules{pin: rapid.Bool().Draw(t, "pin"), ignore: rapid.Bool().Draw(t, "ignore")}
		if rapid.Bool().Draw(t, "moved") {
			in.history = policy.MoveHistory{
				Last:  time.Unix(rapid.Int64Range(946_684_800, 7_258_118_400).Draw(t, "last"), 0).UTC(),
				From:  someHost,
				Count: rapid.IntRange(0, moveCountMax).Draw(t, "count"),
			}
		}
		if text := rapid.String().Draw(t, "text"); rapid.Bool().Draw(t, "rest") {
			var err error
			// whatever text XML can hold
			with, err := parseRules("<domain><future>" + escaped(text) + "</future></domain>")
			if err != nil {
				return
			}
			in.rest = with.rest
		}
		out, err := parseRules(in.element())
		if err != nil || out != in {
			t.Fatalf("%+v became %+v by way of %s: %v", in, out, in.element(), err)
		}
	})
}

func escaped(s string) string {
	var b strings.Builder
	attribute(&b, "x", s)
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), ` x="`), `"`)
}

// FuzzMetadata: whatever is in the metadata, what is written back means the
// same, and rewriting it changes nothing more.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		`<domain/>`,
		`<v:domain xmlns:v="https://virtbalance.org/domain/1"><v:pin/><v:ignore/></v:domain>`,
		`<domain><moved last="2026-05-04T03:02:01Z" from="6d4f3e0e-0000-4000-8000-000000000001" count="2"/></domain>`,
		`<domain xmlns:o="urn:o"><o:a o:b="c" xml:lang="de">x<d xmlns="e"/></o:a><!-- c --><?p?></domain>`,
		`<a><b:c d:e="f"/></a>`,
		`<v:domain xmlns:v="w"><v:0/></v:domain>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		first, err := parseRules(in)
		if err != nil && !errors.Is(err, errHistory) {
			return
		}
		second, err := parseRules(first.element())
		if err != nil {
			if len(first.element()) > metadataMax {
				return // escaping made it longer
			}
			t.Fatalf("%q was accepted, and rewritten as %q is not: %v", in, first.element(), err)
		}
		if second != first {
			t.Fatalf("%q became %q", first.element(), second.element())
		}
	})
}
