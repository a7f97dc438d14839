package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/policy/policytest"
)

func TestScenarios(t *testing.T) { policytest.Files(t, "testdata/*.txt") }

// TestDocumentedExample runs the example of doc.go from its comment.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(text), "// # Example\n")
	if !found {
		t.Fatal("doc.go has no example")
	}
	var scenario strings.Builder
	for line := range strings.Lines(example) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			scenario.WriteString(code)
		} else if line == "//\n" && scenario.Len() > 0 {
			scenario.WriteString("\n")
		}
	}
	given, err := policytest.Run(scenario.String())
	if err != nil {
		t.Fatal(err)
	}
	if given != scenario.String() {
		t.Errorf("doc.go says\n%s\nthe policy says\n%s", scenario.String(), given)
	}
}
