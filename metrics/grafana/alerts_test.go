package grafana_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type promRules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

// The Grafana-managed alerts are Prometheus's, for those who have their alerts
// in Grafana; -update writes them.
func TestAlerts(t *testing.T) {
	data, err := os.ReadFile("../prometheus/virtbalance.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules promRules
	if err := yaml.Unmarshal(data, &rules); err != nil {
		t.Fatal(err)
	}
	var groups []object
	for _, g := range rules.Groups {
		var alerts []object
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			annotations := map[string]string{}
			for k, v := range r.Annotations {
				annotations[k] = inGrafana(v)
			}
			alerts = append(alerts, object{
				"uid": strings.ToLower(r.Alert), "title": r.Alert, "condition": "B", "for": r.For,
				// What Prometheus does: no series, no alert.
				"noDataState": "OK", "execErrState": "Error",
				"labels": r.Labels, "annotations": annotations,
				"data": []object{
					{
						"refId": "A", "datasourceUid": "$VIRTBALANCE_PROMETHEUS_UID",
						"relativeTimeRange": object{"from": 600, "to": 0},
						"model":             object{"refId": "A", "expr": r.Expr, "instant": true, "range": false},
					},
					{
						// Every series that there is alerts, whatever its value.
						"refId": "B", "datasourceUid": "__expr__",
						"relativeTimeRange": object{"from": 0, "to": 0},
						"model": object{
							"refId": "B", "type": "threshold", "expression": "A",
							"conditions": []object{{"type": "query", "evaluator": object{"type": "gt", "params": []float64{-1e12}}}},
						},
					},
				},
			})
		}
		if len(alerts) > 0 {
			groups = append(groups, object{"orgId": 1, "name": g.Name, "folder": "virtbalance", "interval": "1m", "rules": alerts})
		}
	}
	var b bytes.Buffer
	b.WriteString("# Written by: go test ./metrics/grafana -update\n# The recording rules must be loaded in Prometheus all the same.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(object{"apiVersion": 1, "groups": groups}); err != nil {
		t.Fatal(err)
	}
	// $ begins a variable of the environment in these files; one is meant.
	if n := strings.Count(strings.ReplaceAll(b.String(), "$VIRTBALANCE_PROMETHEUS_UID", ""), "$"); n != 0 {
		t.Errorf("%d $ are left, which Grafana would take for variables", n)
	}
	same(t, "provisioning/alerting/virtbalance.yaml", b.Bytes())
}

// inGrafana writes a template of Prometheus for Grafana.
func inGrafana(text string) string {
	text = regexp.MustCompile(`\$labels\b`).ReplaceAllString(text, ".Labels")
	return regexp.MustCompile(`\$value\b`).ReplaceAllString(text, ".Values.A.Value")
}
