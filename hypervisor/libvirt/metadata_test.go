package libvirt

import (
	"errors"
	"reflect"
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
	pinned := rules{Rules: policy.Rules{Pin: true}}
	groups := func(g ...policy.Membership) rules { return rules{Rules: policy.Rules{Groups: g}} }
	for _, c := range []struct {
		name, in string
		want     rules
		fault    error // errHistory, errRule, or errMetadata for anything else
	}{
		{"empty", `<domain/>`, rules{}, nil},
		{"libvirt's own form", `<v:domain xmlns:v="https://virtbalance.org/domain/1"><v:pin/></v:domain>`, pinned, nil},
		{"virsh metadata --set", `<v:rules xmlns:v="https://virtbalance.org/domain/1"><ignore/></v:rules>`, rules{Rules: policy.Rules{Ignore: true}}, nil},
		{"default namespace", `<domain xmlns="https://virtbalance.org/domain/1"><pin/>` + moved + `</domain>`, rules{Rules: policy.Rules{Pin: true}, history: history}, nil},
		{"somebody else's pin", `<domain xmlns:o="urn:o"><o:pin/></domain>`, rules{rest: `<pin xmlns="urn:o"></pin>`}, nil},
		{
			"unknown children are kept and made independent",
			`<v:domain xmlns:v="https://virtbalance.org/domain/1" xmlns:o="urn:o"><v:group name="a&amp;b"><member/>x &lt; y</v:group><o:n o:k="1"><plain/></o:n></v:domain>`,
			rules{rest: `<group name="a&amp;b"><member></member>x &lt; y</group>` +
				`<n xmlns="urn:o" xmlns:n0="urn:o" n0:k="1"><plain xmlns=""></plain></n>`},
			nil,
		},
		{
			"labels", `<domain><requires label="ssd"/><requires label=" rack=b4 "/><requires label="ssd"/></domain>`,
			rules{Rules: policy.Rules{Requires: []string{"ssd", "rack=b4"}}},
			nil,
		},
		{
			"groups", `<domain><affinity group="shop" strength="soft"/><anti-affinity group="db"/><anti-affinity group="web" strength="hard"/></domain>`,
			groups(policy.Membership{Rule: policy.Affinity, Group: "shop", Soft: true},
				policy.Membership{Rule: policy.AntiAffinity, Group: "db"}, policy.Membership{Rule: policy.AntiAffinity, Group: "web"}), nil,
		},
		{
			"a group twice is as hard as it gets", `<domain><affinity group="a" strength="soft"/><affinity group="a"/></domain>`,
			groups(policy.Membership{Rule: policy.Affinity, Group: "a"}), nil,
		},
		{
			"priority and mode", `<domain><priority value="-3"/><override mode="never"/></domain>`,
			rules{Rules: policy.Rules{Priority: -3, Override: policy.NeverMove}},
			nil,
		},
		{
			"rules that make no sense are kept", `<domain><pin/><priority value="urgent"/><affinity/></domain>`,
			rules{Rules: policy.Rules{Pin: true}, rest: `<priority value="urgent"></priority><affinity></affinity>`},
			errRule,
		},
		{
			"an unknown strength", `<domain><affinity group="a" strength="medium"/></domain>`,
			rules{rest: `<affinity group="a" strength="medium"></affinity>`},
			errRule,
		},
		{"a priority beyond", `<domain><priority value="11"/></domain>`, rules{rest: `<priority value="11"></priority>`}, errRule},
		{"a label of two words", `<domain><requires label="a b"/></domain>`, rules{rest: `<requires label="a b"></requires>`}, errRule},
		{"an unknown mode", `<domain><override mode="sometimes"/></domain>`, rules{rest: `<override mode="sometimes"></override>`}, errRule},
		{"an unknown attribute of moved", `<domain><moved count="1" colour="red"/></domain>`, rules{history: policy.MoveHistory{Count: 1}}, nil},
		{"a bad time", `<domain><moved last="yesterday"/><pin/></domain>`, pinned, errHistory},
		{"a year that cannot be", `<domain><moved last="9999-01-01T00:00:00Z"/></domain>`, rules{}, errHistory},
		{"a negative count", `<domain><moved count="-1"/></domain>`, rules{}, errHistory},
		{"a huge count", `<domain><moved count="100000000"/></domain>`, rules{}, errHistory},
		{"no host", `<domain><moved from="h1"/></domain>`, rules{}, errHistory},
		{"not XML", `<domain><pin></domain>`, pinned, errMetadata},
		{"nothing", ``, rules{}, errMetadata},
		{"too long", `<domain><a>` + strings.Repeat("x", metadataMax) + `</a></domain>`, rules{}, errMetadata},
		{"too deep", `<domain>` + strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40) + `</domain>`, rules{}, errMetadata},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseRules(c.in)
			if !errors.Is(err, c.fault) || errors.Is(err, errHistory) != errors.Is(c.fault, errHistory) ||
				errors.Is(err, errRule) != errors.Is(c.fault, errRule) {
				t.Errorf("error: %v, want %v", err, c.fault)
			}
			if !reflect.DeepEqual(got, c.want) {
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
	if err != nil || !r.Pin || r.Ignore {
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
		in := rules{Rules: anyRules(t)}
		if rapid.Bool().Draw(t, "moved") {
			in.history = policy.MoveHistory{
				Last:     time.Unix(rapid.Int64Range(946_684_800, 7_258_118_400).Draw(t, "last"), 0).UTC(),
				From:     someHost,
				Count:    rapid.IntRange(0, moveCountMax).Draw(t, "count"),
				Unhelped: rapid.IntRange(0, moveCountMax).Draw(t, "unhelped"),
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
		if err != nil || !reflect.DeepEqual(out, in) {
			t.Fatalf("%+v became %+v by way of %s: %v", in, out, in.element(), err)
		}
	})
}

func anyRules(t *rapid.T) policy.Rules {
	word := rapid.StringMatching(`[a-z0-9=._-]{1,20}`)
	r := policy.Rules{
		Pin: rapid.Bool().Draw(t, "pin"), Ignore: rapid.Bool().Draw(t, "ignore"),
		Priority: policy.Priority(rapid.IntRange(-10, 10).Draw(t, "priority")),
		Override: rapid.SampledFrom(policy.Overrides()).Draw(t, "override"),
	}
	if labels := rapid.SliceOfNDistinct(word, 0, policy.RequiresMax, rapid.ID[string]).Draw(t, "labels"); len(labels) > 0 {
		r.Requires = labels
	}
	for _, group := range rapid.SliceOfNDistinct(word, 0, policy.MembershipsMax, rapid.ID[string]).Draw(t, "groups") {
		r.Groups = append(r.Groups, policy.Membership{
			Rule:  rapid.SampledFrom([]policy.GroupRule{policy.Affinity, policy.AntiAffinity}).Draw(t, "rule"),
			Group: group, Soft: rapid.Bool().Draw(t, "soft"),
		})
	}
	return r
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
		`<domain><requires label="a"/><affinity group="g" strength="soft"/><priority value="3"/><override mode="x" y="z"/></domain>`,
		`<v:domain xmlns:v="w"><v:0/></v:domain>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		first, err := parseRules(in)
		if err != nil && !errors.Is(err, errHistory) && !errors.Is(err, errRule) {
			return
		}
		second, err := parseRules(first.element())
		if err != nil && !errors.Is(err, errRule) {
			if len(first.element()) > metadataMax {
				return // escaping made it longer
			}
			t.Fatalf("%q was accepted, and rewritten as %q is not: %v", in, first.element(), err)
		}
		if !reflect.DeepEqual(second, first) {
			t.Fatalf("%q became %q", first.element(), second.element())
		}
	})
}

// What is read back ends a cooldown no sooner than what was written.
func TestHistoryKeepsFractionsOfSeconds(t *testing.T) {
	written := rules{history: policy.MoveHistory{
		Last: time.Date(2026, 5, 4, 3, 2, 1, 853_000_000, time.UTC), From: someHost, Count: 2,
	}}
	read, err := parseRules(written.element())
	if err != nil || read.history != written.history {
		t.Errorf("wrote %+v, read %+v, %v", written.history, read.history, err)
	}
}
