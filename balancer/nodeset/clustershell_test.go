package nodeset

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

//go:embed testdata/clustershell.py
var clusterShell string

const groupsYAML = `
main:
  web: node[1-3]
  db: 'node[3-5]'
  both: '@web,@db'
  all: 'node[1-30],gpu[01-12],r[1-3]-n[1-4],login'
racks:
  r1: 'node[1-10]'
  r2: ['node11', 'node[12-20]']
  old: '@r[1-2]!node[7-9]'
`

// question is what both are asked.
type question struct {
	Expression string `json:"expression"`
	// Folded is our answer, for ClusterShell to read.
	Folded string `json:"folded"`
}

// reply is what ClusterShell says.
type reply struct {
	Names  []string `json:"names"`
	Folded string   `json:"folded"`
	// Ours are the names that it reads in our answer.
	Ours  []string `json:"ours"`
	Error string   `json:"error"`
}

// TestAsClusterShell compares with ClusterShell over generated expressions: the
// hosts that they are, what is an error, and how the result is written. Not
// compared is what doc.go says to be different.
func TestAsClusterShell(t *testing.T) {
	const expressions = 3000
	dir := t.TempDir()
	write(t, filepath.Join(dir, "groups.conf"), "[Main]\ndefault: main\nautodir: $CFGDIR/groups.d\n")
	write(t, filepath.Join(dir, "groups.d", "test.yaml"), groupsYAML)
	known, err := ReadGroups(filepath.Join(dir, "groups.conf"))
	if err != nil {
		t.Fatal(err)
	}

	g := generator{rand.New(rand.NewPCG(1, 2))}
	questions := make([]question, expressions)
	answers := make([]Set, expressions)
	faults := make([]error, expressions)
	var input bytes.Buffer
	encoder := json.NewEncoder(&input)
	for i := range questions {
		questions[i].Expression = g.expression()
		answers[i], faults[i] = Parse(questions[i].Expression, known)
		questions[i].Folded = answers[i].String()
		if err := encoder.Encode(questions[i]); err != nil {
			t.Fatal(err)
		}
	}

	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", clusterShell, filepath.Join(dir, "groups.conf"))
	cmd.Stdin = &input
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ClusterShell (apt-get install clustershell python3-yaml): %v\n%s", err, stderr.Bytes())
	}

	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	counts := map[string]int{}
	for i := range questions {
		if !lines.Scan() {
			t.Fatalf("ClusterShell has answered %d of %d", i, expressions)
		}
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		compare(t, counts, questions[i], answers[i], faults[i], r)
	}
	t.Logf("%v", counts)
	if counts["same hosts"] < expressions/2 || counts["same error"] < expressions/50 || counts["same text"] < expressions/4 {
		t.Errorf("%v: the expressions are not of enough kinds", counts)
	}
}

func compare(t *testing.T, counts map[string]int, q question, got Set, fault error, r reply) {
	t.Helper()
	switch {
	case (fault != nil) != (r.Error != ""):
		t.Errorf("%q: here %q, error %v; ClusterShell %q, error %q", q.Expression, got, fault, r.Folded, r.Error)
		return
	case fault != nil:
		counts["same error"]++
		return
	}
	if want := Of(r.Names...); !slices.Equal(got.Names(), want.Names()) {
		t.Errorf("%q is %q, ClusterShell has %q", q.Expression, got.Names(), want.Names())
		return
	}
	counts["same hosts"]++
	if want := Of(r.Ours...); !slices.Equal(got.Names(), want.Names()) {
		t.Errorf("%q is written as %q, which ClusterShell reads as %q", q.Expression, q.Folded, want.Names())
	}
	for name := range got {
		if len(parseName(name).indexes) > 1 {
			return
		}
	}
	counts["same text"]++
	if q.Folded != r.Folded {
		t.Errorf("%q is written as %q, by ClusterShell as %q", q.Expression, q.Folded, r.Folded)
	}
}

// generator makes expressions, most of them right.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) expression() string {
	var b strings.Builder
	for i := range 1 + g.IntN(4) {
		if i > 0 {
			b.WriteString(g.pick("", "", " ") + g.pick(",", ",", "!", "&", "^") + g.pick("", "", " "))
		}
		b.WriteString(g.term())
	}
	if g.IntN(40) == 0 { // break it
		s := b.String()
		at := g.IntN(len(s))
		if at > 0 && s[at-1] == '@' { // a group without a name is the empty set there
			return s
		}
		return s[:at] + g.pick("[", "]", ",", "!", "&", "^") + s[at+1:]
	}
	return b.String()
}

func (g generator) term() string {
	switch g.IntN(10) {
	case 0:
		return "@" + g.pick("web", "db", "both", "racks:r1", "racks:r[1-2]", "racks:old")
	case 1:
		return g.pick("@racks:*", "@main:*", "node*", "node1?", "gpu*", "gpu[01-02]*", "login", "?ogin")
	case 2:
		return "r" + g.index() + "-n" + g.index()
	case 3:
		return "a" + g.index() + "b" + g.index() + "c" + g.index()
	case 4:
		return "gpu" + g.pick("01", "[01-12]", "[001-012/3]", "["+g.ranges()+"]")
	default:
		return "node" + g.index() + g.pick("", "", "", "-ib", ".example.org")
	}
}

func (g generator) index() string {
	if g.IntN(3) == 0 {
		return fmt.Sprint(g.IntN(30))
	}
	return "[" + g.ranges() + "]"
}

func (g generator) ranges() string {
	var parts []string
	for range 1 + g.IntN(3) {
		width := g.pick("%d", "%d", "%d", "%02d", "%03d")
		low := g.IntN(20)
		part := fmt.Sprintf(width, low)
		if g.IntN(2) == 0 {
			part += "-" + fmt.Sprintf(width, low+g.IntN(12)-g.IntN(8)/7)
			part += g.pick("", "", "", "/2", "/3", "/1", "/0")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
