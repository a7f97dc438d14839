package prometheus_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	rules = "virtbalance.rules.yml"
	cases = "virtbalance.test.yml"
)

// promtool runs the tool of Prometheus that checks what Prometheus reads.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing, so the rules cannot be checked: apt-get install prometheus")
	}
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T)     { promtool(t, "check", "rules", "--lint-fatal", rules) }
func TestRuleCases(t *testing.T) { promtool(t, "test", "rules", cases) }
func TestScrapeConfig(t *testing.T) {
	promtool(t, "check", "config", "--syntax-only", "scrape.yml")
}

// Every rule has a case, every alert a page, and every page an alert.
func TestEveryRuleIsTestedAndExplained(t *testing.T) {
	const runbooks = "../../docs/runbooks"
	text, tested := read(t, rules), read(t, cases)
	alerts := find(text, `(?m)^ +- alert: (\w+)$`)
	for _, alert := range alerts {
		if n := strings.Count(tested, "alertname: "+alert+"\n"); n != 1 {
			t.Errorf("%s is seen firing in %d cases of %s", alert, n, cases)
		}
		if !strings.Contains(tested, "{alertname: "+alert+", ") {
			t.Errorf("%s is never seen quiet in %s", alert, cases)
		}
		if !strings.Contains(text, "https://github.com/virtbalance/virtbalance/blob/main/docs/runbooks/"+alert+".md\n") {
			t.Errorf("%s does not name its runbook", alert)
		}
		page := read(t, filepath.Join(runbooks, alert+".md"))
		for _, part := range []string{"# " + alert + "\n", "## What it means\n", "## What to look at\n", "## What to do\n"} {
			if !strings.Contains(page, part) {
				t.Errorf("the runbook of %s lacks %q", alert, part)
			}
		}
	}
	pages, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); !slices.Contains(alerts, name) {
			t.Errorf("the runbook %s is of no alert", name)
		}
	}
	for _, record := range find(text, `(?m)^ +- record: (\S+)$`) {
		inAlert := strings.Count(text, record) > 1 // whose case covers it
		if !inAlert && !strings.Contains(tested, "expr: '"+record+"'") {
			t.Errorf("%s has no case in %s", record, cases)
		}
	}
	if len(alerts) < 16 {
		t.Errorf("only %d alerts were found", len(alerts))
	}
}

func find(text, pattern string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
