package alerts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// DashboardQueries are the expressions of the dashboard, as Grafana asks them
// of a job and an instance.
func DashboardQueries(root, job, instance string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(root, "metrics/grafana/virtbalance.json"))
	if err != nil {
		return nil, err
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		return nil, err
	}
	var all []string
	for _, p := range dashboard.Panels {
		for _, t := range p.Targets {
			all = append(all, strings.NewReplacer("$job", job, "$instance", instance, "$__rate_interval", "10s").Replace(t.Expr))
		}
	}
	return all, nil
}

// RuleSelectors are the selectors in the expressions of the rules. An alert
// that is quiet returns nothing; what it looks at must be there all the same.
func RuleSelectors(root string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(root, "metrics/prometheus/virtbalance.rules.yml"))
	if err != nil {
		return nil, err
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Record, Expr string }
		}
	}
	if err := yaml.Unmarshal(data, &rules); err != nil {
		return nil, err
	}
	selector := regexp.MustCompile(`(?:\w+:)?(?:virtbalanced?_\w+|up\b)(?::\w+)?(?:\{[^}]*\})?`)
	var all []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			all = append(all, selector.FindAllString(r.Expr, -1)...)
			if r.Record != "" {
				all = append(all, r.Record)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
