package grafana_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the files anew")

type object = map[string]any

// The dashboard is what the table of panels says; -update writes it.
func TestDashboard(t *testing.T) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(dashboard()); err != nil {
		t.Fatal(err)
	}
	same(t, "virtbalance.json", b.Bytes())
}

// same compares a file with what it should hold, or writes it.
func same(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is out of date; run: go test ./metrics/grafana -update", path)
	}
}

// source is the data source that the person at the screen chooses.
var source = object{"type": "prometheus", "uid": "${datasource}"}

func dashboard() object {
	var all []object
	x, y, rowHeight := 0, 0, 0
	for i, p := range panels {
		height := 8
		switch p.kind {
		case "row":
			height = 1
			p.width = 24
		case "stat":
			height = 4
		}
		if x+p.width > 24 {
			x, y = 0, y+rowHeight
		}
		rowHeight = height
		all = append(all, p.json(i+1, object{"x": x, "y": y, "w": p.width, "h": height}))
		x += p.width
	}
	variable := func(name, label, ask string) object {
		return object{
			"name": name, "label": label, "type": "query", "datasource": source,
			"query": object{"query": ask, "refId": name}, "definition": ask,
			"refresh": 2, "sort": 1, "includeAll": false, "multi": false, "hide": 0,
			"options": []any{}, "current": object{},
		}
	}
	job := variable("job", "Cluster (job)", "label_values(virtbalance_host_capacity_cpus, job)")
	job["includeAll"], job["multi"] = true, true
	return object{
		"uid": "virtbalance", "title": "virtbalance", "tags": []string{"virtbalance", "libvirt", "kvm"},
		"description":   "The fleet and one host, as virtbalanced sees them.",
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "fiscalYearStartMonth": 0,
		"refresh": "30s", "time": object{"from": "now-6h", "to": "now"}, "timepicker": object{}, "timezone": "", "weekStart": "",
		"annotations": object{"list": []any{}}, "links": []any{},
		"templating": object{"list": []object{
			{
				"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
				"hide": 0, "includeAll": false, "multi": false, "options": []any{}, "current": object{}, "regex": "",
			},
			job,
			variable("instance", "Host", `label_values(virtbalance_host_capacity_cpus{job=~"$job"}, instance)`),
		}},
		"panels": all,
	}
}

func (p panel) json(id int, at object) object {
	if p.kind == "row" {
		return object{"id": id, "type": "row", "title": p.title, "gridPos": at, "collapsed": false, "panels": []any{}}
	}
	targets := make([]object, len(p.queries))
	for i, q := range p.queries {
		targets[i] = object{
			"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr, "legendFormat": q.legend,
			"editorMode": "code", "range": p.kind != "stat", "instant": p.kind == "stat",
		}
	}
	steps := []object{{"color": "green", "value": nil}}
	if p.red != 0 {
		steps = append(steps, object{"color": "red", "value": p.red})
	}
	defaults := object{
		"unit": p.unit, "min": 0, "color": object{"mode": "palette-classic"},
		"thresholds": object{"mode": "absolute", "steps": steps}, "mappings": []any{},
	}
	if p.max != 0 {
		defaults["max"] = p.max
	}
	options := object{
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []any{}},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}
	if p.kind == "stat" {
		defaults["color"] = object{"mode": "thresholds"}
		options = object{
			"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		}
	} else {
		custom := object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": false, "stacking": object{"mode": "none", "group": "A"}}
		if p.stacked {
			custom["fillOpacity"], custom["stacking"] = 40, object{"mode": "normal", "group": "A"}
		}
		defaults["custom"] = custom
	}
	return object{
		"id": id, "type": p.kind, "title": p.title, "description": p.description, "datasource": source, "gridPos": at,
		"fieldConfig": object{"defaults": defaults, "overrides": []any{}}, "options": options, "targets": targets,
	}
}

// A panel says what it is for, and lies beside the others.
func TestPanels(t *testing.T) {
	titles := map[string]bool{}
	taken := map[[2]int]string{}
	for _, p := range dashboard()["panels"].([]object) {
		title := p["title"].(string)
		if titles[title] {
			t.Errorf("two panels are called %q", title)
		}
		titles[title] = true
		at := p["gridPos"].(object)
		x, y, w, h := at["x"].(int), at["y"].(int), at["w"].(int), at["h"].(int)
		if w < 1 || x+w > 24 {
			t.Errorf("%s: columns %d to %d", title, x, x+w)
		}
		for i := range w {
			for j := range h {
				cell := [2]int{x + i, y + j}
				if other := taken[cell]; other != "" {
					t.Fatalf("%q lies on %q", title, other)
				}
				taken[cell] = title
			}
		}
		if p["type"] != "row" && (p["description"] == "" || len(p["targets"].([]object)) == 0) {
			t.Errorf("%s: no description or no query", title)
		}
	}
}
