package peer

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/gate"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

func FuzzReserveRequest(f *testing.F) {
	full := validReserve()
	full.Handoff = hypervisor.Handoff{Autostart: true, History: policy.MoveHistory{Last: time.Unix(1.7e9, 0).UTC(), From: idB, Count: 3}}
	fuzzMessage(f, full)
}

func FuzzFinishRequest(f *testing.F) {
	fuzzMessage(f, FinishRequest{Op: idE, Move: validReserve().Move, Result: policy.Succeeded})
}

func FuzzAuditRequest(f *testing.F) {
	fuzzMessage(f, AuditRequest{Op: idE, Move: validReserve().Move, Late: true, Used: 0.5})
}

func FuzzAuditReply(f *testing.F) {
	fuzzMessage(f, auditReply{policy.Audit{
		At: time.Unix(1.7e9, 0).UTC(), Effect: policy.Worse, Gain: -0.1, Seen: &policy.Outlook{From: 0.5, To: 0.9, Demand: 2000, Wait: 0.1},
	}})
}

func FuzzReserveReply(f *testing.F) {
	fuzzMessage(f, ReserveReply{Reason: policy.HostMemory, Detail: "x", Host: policy.Host{HostFacts: policy.HostFacts{ID: idB}}})
}

func FuzzLocateRequest(f *testing.F) {
	fuzzMessage(f, LocateRequest{Domain: idA, Alarm: &Alarm{Op: idE, Name: "vm1", Reason: policy.Duplicated}})
}

func FuzzLocateReply(f *testing.F) {
	fuzzMessage(f, locateReply{policy.Presence{Known: true, Active: true, State: policy.StateRunning, Job: policy.MigratingIn}})
}

func FuzzRelayRequest(f *testing.F) {
	fuzzMessage(f, RelayRequest{Method: "POST", Path: "/v1/drain?a=b", Body: json.RawMessage(`{"x":[1]}`)})
}

func FuzzRelayReply(f *testing.F) {
	fuzzMessage(f, RelayReply{Status: 200, Body: json.RawMessage(`{"name":"x"}`)})
}

// fuzzMessage: what decodes is valid, and says the same when it is sent on.
func fuzzMessage[T message](f *testing.F, seed T) {
	b, err := encode(seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, s := range []string{"", "null", "{}", "[]", `{"op":1}`, `{"host":{"used":{"cpu_millis":-1e9}}}`, `{"detail":"\u001b"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decode[T](body)
		if err != nil {
			if len(printable(err.Error())) > detailMax {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := encode(m)
		if err != nil {
			t.Fatalf("valid, but cannot be encoded: %v", err)
		}
		same, err := decode[T](again)
		if err != nil {
			t.Fatalf("valid, but not when sent on: %v\n%s", err, again)
		}
		if !reflect.DeepEqual(m, same) {
			t.Fatalf("%+v became %+v", m, same)
		}
	})
}

// FuzzServeHTTP: whatever is asked, the answer is a small JSON object, and the
// handler sees only what is valid and for this host.
func FuzzServeHTTP(f *testing.F) {
	reserve, err := encode(validReserve())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pathReserve, idA, idB, contentType, reserve)
	f.Add(pathFinish, idA, idB, contentType+"; charset=utf-8", reserve)
	f.Add(pathAudit, idA, idB, contentType, reserve)
	f.Add(pathRenew, idA, idB, contentType, []byte(`{"op":"`+idE+`"}`))
	f.Add(pathReport, idA, idB, contentType, []byte(`{"history":7}`))
	f.Add(pathExplain, idA, idB, contentType, []byte(`{"domain":"`+idD+`"}`))
	f.Add(pathPreflight, idA, idB, contentType, reserve)
	f.Add(pathLocate, idA, idB, contentType, []byte(`{"domain":"`+idD+`"}`))
	f.Add("/", "x", "", "text/html", []byte("{"))
	f.Fuzz(func(t *testing.T, path, from, to, media string, body []byte) {
		limits := DefaultLimits()
		s := &Server{
			options:  ServerOptions{Self: idB, Insecure: true, Handler: checking{t}},
			limits:   limits,
			requests: gate.New[policy.HostID](limits.Requests, limits.RequestsTotal),
			reports:  gate.New[policy.HostID](limits.Reports, limits.ReportsTotal),
			warnings: &gate.Log{Log: discard()},
			log:      discard(),
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.URL.Path = path
		r.Header.Set(headerFrom, from)
		r.Header.Set(headerTo, to)
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Body.Len() > 8<<10 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("answered %d bytes: %.200s", w.Body.Len(), w.Body)
		}
		if w.Code != http.StatusOK {
			var e Error
			if json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Code == "" || e.Message != printable(e.Message) {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
		}
	})
}

// checking is a handler that trusts nobody.
type checking struct{ t *testing.T }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (c checking) check(from policy.HostID, m message) {
	if from != idA && uuid("from", from) != nil {
		c.t.Fatalf("asked by %q", from)
	}
	if err := m.Validate(); err != nil {
		c.t.Fatal(err)
	}
}

func (c checking) Reserve(_ context.Context, from policy.HostID, r ReserveRequest) ReserveReply {
	c.check(from, r)
	if r.Move.From != from || r.Move.To != idB {
		c.t.Fatalf("%s asked for %+v", from, r.Move)
	}
	return ReserveReply{Reason: policy.HostMemory}
}

func (c checking) Renew(_ context.Context, from policy.HostID, op policy.OpID) (bool, error) {
	c.check(from, renewRequest{op})
	return false, nil
}

func (c checking) Finish(_ context.Context, from policy.HostID, f FinishRequest) error {
	c.check(from, f)
	if f.Move.From != from || f.Move.To != idB {
		c.t.Fatalf("%s finished %+v", from, f.Move)
	}
	return nil
}

func (c checking) Audit(_ context.Context, from policy.HostID, r AuditRequest) (policy.Audit, error) {
	c.check(from, r)
	if r.Move.From != from || r.Move.To != idB {
		c.t.Fatalf("%s audits %+v", from, r.Move)
	}
	return policy.Audit{}, nil
}

func (c checking) Report(_ context.Context, r ReportRequest) (api.Report, error) {
	if err := r.Validate(); err != nil {
		c.t.Fatal(err)
	}
	return api.Report{}, nil
}

func (c checking) Preflight(_ context.Context, d hypervisor.Description) (policy.Reason, string) {
	c.check(d.Source.ID, preflightRequest{d})
	return policy.OK, ""
}

func (c checking) ExplainHere(_ context.Context, id policy.DomainID) (api.Explanation, error) {
	if err := uuid("domain", id); err != nil {
		c.t.Fatal(err)
	}
	return api.Explanation{}, nil
}

func (c checking) Locate(_ context.Context, from policy.HostID, r LocateRequest) (policy.Presence, error) {
	c.check(from, r)
	return policy.Presence{Active: true}, nil
}
