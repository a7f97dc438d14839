package metrics

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// docs/metrics.md is written by this test, with -update, and never by hand.
func TestDocs(t *testing.T) {
	const path = "../docs/metrics.md"
	families, err := everything(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# Metrics

` + "`virtbalanced` exports these at `/metrics` of `metrics.listen` (port 17452). `virtbalance_` is what balancing is about,\n" +
		"`virtbalanced_` how the daemon is doing; the Go runtime and the process are there, too (`go_`, `process_`). What was never\n" +
		"measured, or not lately, is NaN. `/healthz` and `/readyz` answer 200 or 503 and the reasons.\n\n" +
		"Rules, alerts and a scrape configuration: [metrics/prometheus](../metrics/prometheus); dashboards:\n" +
		"[metrics/grafana](../metrics/grafana); what to do about an alert: [runbooks](runbooks).\n\n" +
		"<!-- Written by: go test ./metrics -run TestDocs -update -->\n\n| metric | type | labels | |\n|---|---|---|---|\n")
	for _, f := range families {
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels["`"+l.GetName()+"`"] = true
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()),
			strings.Join(slices.Sorted(maps.Keys(labels)), ", "), f.GetHelp())
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is not what is exported; run: go test ./metrics -run TestDocs -update", path)
	}
}

// What rules and dashboards ask for is exported.
func TestNamesThatAreAskedFor(t *testing.T) {
	families, err := everything(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, f := range families {
		exported[f.GetName()] = true
	}
	var files []string
	for _, pattern := range []string{"prometheus/*.rules.yml", "grafana/*.json", "grafana/*.yaml"} {
		match, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, match...)
	}
	asked := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(^|[^:\w/])(virtbalanced?_[a-z0-9_]+)`).FindAllStringSubmatch(string(data), -1) {
			asked++
			name := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m[2], "")
			if !exported[name] && !exported[m[2]] {
				t.Errorf("%s asks for %s, which is not exported", file, m[2])
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d names were looked at, in %q", asked, files)
	}
}
