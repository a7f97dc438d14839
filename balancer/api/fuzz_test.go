package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
)

// asked notes what gets through to the daemon. What it lacks, a request must
// not reach: the embedded interface is nil.
type asked struct {
	Daemon
	t      *testing.T
	method string
}

func (a *asked) Status(context.Context) (Status, error)    { return Status{}, nil }
func (a *asked) Hosts(context.Context) ([]Host, error)     { return nil, nil }
func (a *asked) Domains(context.Context) ([]Domain, error) { return nil, nil }
func (a *asked) Plan(context.Context) (Plan, error)        { return Plan{}, nil }
func (a *asked) Snapshot(context.Context) (policy.Snapshot, error) {
	return policy.Snapshot{}, nil
}

func (a *asked) Explain(context.Context, string) (Explanation, error) { return Explanation{}, nil }

func (a *asked) Matrix(context.Context, string) (Matrix, error) { return Matrix{}, nil }

func (a *asked) History(_ context.Context, limit int) ([]Operation, error) {
	if limit < 1 || limit > 1000 {
		a.t.Errorf("the daemon is asked for %d operations", limit)
	}
	return nil, nil
}

func (a *asked) Fleet(_ context.Context, history int) (FleetReport, error) {
	if history < 0 || history > 200 {
		a.t.Errorf("the daemon is asked for %d operations", history)
	}
	return FleetReport{}, nil
}

func (a *asked) SetPaused(context.Context, bool) error {
	if a.method != http.MethodPost {
		a.t.Errorf("%s pauses", a.method)
	}
	return nil
}

func (a *asked) ChangeRules(_ context.Context, _ string, change RulesChange) (DomainRules, error) {
	if a.method != http.MethodPost {
		a.t.Errorf("%s changes rules", a.method)
	}
	again, err := parseRulesChange(change.values())
	if err != nil || !reflect.DeepEqual(again.values(), change.values()) {
		a.t.Errorf("%+v came back as %+v, %v", change, again, err)
	}
	return DomainRules{Rules: change.Apply(policy.Rules{})}, nil
}

func (a *asked) ChangeLabels(_ context.Context, change LabelsChange) (Labels, error) {
	if a.method != http.MethodPost && !change.DryRun {
		a.t.Errorf("%s changes labels", a.method)
	}
	return Labels{}, nil
}

// Whatever is asked: an answer that a client can read, and nothing out of bounds
// gets to the daemon.
func FuzzRequest(f *testing.F) {
	for _, target := range []string{
		"/v1/status", "/v1/hosts", "/v1/domains", "/v1/plan", "/v1/snapshot", "/v1/pause", "/v1/resume",
		"/v1/history?limit=5", "/v1/history?limit=-1", "/v1/history?limit=99999999999999999999", "/v1/history?limit=5&limit=6",
		"/v1/fleet?history=3", "/v1/explain/web1", "/v1/explain/a%2Fb", "/v1/explain/%00", "/v1/matrix?domain=web1", "/v1/../v1/status", "//v1/status", "/",
		"/v1/labels", "/v1/labels?add=ssd&remove=gpu&dry-run=true", "/v1/rules/web1?pin=true&priority=-3&mode=never",
		"/v1/rules/web1?requires=a&no-requires=b&affinity=g&soft-anti-affinity=h&no-affinity=i", "/v1/rules/web1?priority=x&size=3",
	} {
		f.Add(http.MethodGet, target, []byte(nil))
		f.Add(http.MethodPost, target, []byte(`{"paused":true}`))
	}
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") || u.Host != "" {
			return // net/http answers that itself
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://daemon"+target, strings.NewReader(string(body)))
		if err != nil {
			return
		}
		s := NewServer()
		s.Show(&asked{t: t, method: method})
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		answer := w.Result()
		if answer.StatusCode < 200 || answer.StatusCode > 599 {
			t.Errorf("status %d", answer.StatusCode)
		}
		if answer.Header.Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
			t.Errorf("the answer is no JSON: %.200q", w.Body.String())
		}
	})
}
