package libvirt

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
)

// testSubject is a domain among the surroundings that testdata describes.
func testSubject(xml string) *subject {
	h := &Hypervisor{opts: Options{
		AssumeSharedPaths: []string{"/vouched/", "/dev/san"},
		ManagedNamespaces: []string{"urn:our-own-manager"},
	}}
	s := h.newSubject(definition{
		xml: xml, persistent: true,
		pools: map[string]string{"rbd": "rbd", "dir": "dir", "gone": ""},
	}, 8_002_000)
	s.pacemaker = func(name string) bool { return name == "ha" }
	s.fsType = func(path string) (string, error) {
		switch {
		case within(path, "/nfs"):
			return "nfs4", nil
		case within(path, "/ceph"):
			return "ceph", nil
		case within(path, "/hidden"):
			return "", fs.ErrPermission
		default:
			return "ext4", nil
		}
	}
	return s
}

// domainCase is one domain of testdata/obstacles.txt.
type domainCase struct{ name, reason, detail, xml string }

func domainCases(t testing.TB) []domainCase {
	t.Helper()
	text, err := os.ReadFile("testdata/obstacles.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []domainCase
	for line := range strings.Lines(string(text)) {
		head, isHead := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		head, closed := strings.CutSuffix(head, "--")
		switch {
		case isHead && closed:
			part := strings.Split(head, "|")
			if len(part) != 3 {
				t.Fatalf("%q is not name | reason | detail", head)
			}
			cases = append(cases, domainCase{
				name: strings.TrimSpace(part[0]), reason: strings.TrimSpace(part[1]), detail: strings.TrimSpace(part[2]),
			})
		case len(cases) > 0:
			cases[len(cases)-1].xml += line
		}
	}
	return cases
}

func TestObstacles(t *testing.T) {
	covered := map[policy.Reason]bool{}
	for _, c := range domainCases(t) {
		want, err := policy.ParseReason(c.reason)
		if err != nil {
			t.Fatal(err)
		}
		covered[want] = true
		t.Run(c.name, func(t *testing.T) {
			got := testSubject(c.xml).obstacle()
			if got.Reason != want || !strings.Contains(got.Detail, c.detail) || want == policy.OK && got.Detail != "" {
				t.Errorf("got %v: %s\nwant %v: ...%s...", got.Reason, got.Detail, want, c.detail)
			}
		})
	}
	if len(covered) < 8 {
		t.Errorf("only the reasons %v are covered", covered)
	}
}

func TestObstaclesBesideTheXML(t *testing.T) {
	const plain = `<domain><name>a</name><devices/></domain>`
	for _, c := range []struct {
		name  string
		spoil func(*subject)
		want  policy.Reason
	}{
		{"nothing", func(*subject) {}, policy.OK},
		{"snapshots", func(s *subject) { s.snapshots = 2 }, policy.HasSnapshot},
		{"block job", func(s *subject) { s.blockJobs = []string{"vda"} }, policy.JobActive},
		{"transient", func(s *subject) { s.persistent = false }, policy.Transient},
	} {
		s := testSubject(plain)
		c.spoil(s)
		if got := s.obstacle(); got.Reason != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	s := testSubject(plain)
	s.persistent, s.opts.MoveTransient = false, true
	if got := s.obstacle(); got.Reason != policy.OK {
		t.Errorf("transient domains may be moved: %v", got)
	}
	s = testSubject(`<domain><name>a</name><cputune><vcpupin vcpu='0' cpuset='2'/></cputune></domain>`)
	s.opts.MovePinned = true
	if got := s.obstacle(); got.Reason != policy.OK {
		t.Errorf("pinned domains may be moved: %v", got)
	}
	s = testSubject(`<domain><name>a</name><devices><disk type='file' device='disk'><source file='/nfs/a'/><target dev='vda'/></disk></devices></domain>`)
	s.qemu = 3_001_000
	if got := s.obstacle(); got.Reason != policy.UnsafeStorage || !strings.Contains(got.Detail, "default") {
		t.Errorf("cache with an old QEMU: %v", got)
	}
}

func TestRowsAreNamedOnce(t *testing.T) {
	names := map[string]bool{}
	for _, o := range obstacles {
		if names[o.name] {
			t.Errorf("%q twice", o.name)
		}
		names[o.name] = true
	}
	for _, c := range arrivalChecks {
		if names[c.name] {
			t.Errorf("%q twice", c.name)
		}
		names[c.name] = true
	}
}

// FuzzDefinition: no definition, from libvirt or from another host, makes
// anything here fall over; and a domain without an obstacle has no disk that
// is merely not known to be local.
func FuzzDefinition(f *testing.F) {
	for _, c := range domainCases(f) {
		f.Add(c.xml)
	}
	f.Fuzz(func(t *testing.T, xml string) {
		s := testSubject(xml)
		verdict := s.obstacle()
		a := &arrival{dom: s.dom}
		a.XML = xml
		for _, c := range arrivalChecks {
			_ = c.find(a)
		}
		_, _ = hugePages(&s.dom, a.site.memory)
		for _, n := range needs(&s.dom) {
			if verdict.Reason == policy.OK && n.kind == sameFile && strings.HasPrefix(n.what, "disk") {
				kind, _ := s.fsType(n.path)
				if _, shared := sharedFileSystems[kind]; !shared && !s.assumedShared(n.path) && !strings.HasPrefix(n.path, "/dev/rbd") {
					t.Errorf("a disk at %q is no obstacle", n.path)
				}
			}
		}
	})
}
