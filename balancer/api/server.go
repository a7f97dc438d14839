package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Daemon is what the API shows.
type Daemon interface {
	Status(ctx context.Context) (Status, error)
	Hosts(ctx context.Context) ([]Host, error)
	Domains(ctx context.Context) ([]Domain, error)
	Fleet(ctx context.Context, history int) (FleetReport, error)
	Timeline(after time.Time) Timeline
	Plan(ctx context.Context) (Plan, error)
	History(ctx context.Context, limit int) ([]Operation, error)
	Snapshot(ctx context.Context) (policy.Snapshot, error)
	Explain(ctx context.Context, domain string) (Explanation, error)
	Matrix(ctx context.Context, domain string) (Matrix, error)
	SetPaused(ctx context.Context, paused bool) error
	SetCordoned(ctx context.Context, cordoned bool) error
	SetDraining(ctx context.Context, draining bool) error
	Network(ctx context.Context, name string) (Network, error)
	Find(ctx context.Context, q FindQuery) ([]Room, error)
	Drain(ctx context.Context, q DrainQuery) (Drain, error)
	ChangeRules(ctx context.Context, domain string, change RulesChange) (DomainRules, error)
	ChangeLabels(ctx context.Context, change LabelsChange) (Labels, error)
	Move(ctx context.Context, o MoveOrder) (Operation, error)
	Cancel(ctx context.Context, op policy.OpID) error
}

// Server serves the API. It can be started before there is a daemon to show:
// until Serve is given one, every request is answered by 503 and what Waiting
// says.
type Server struct {
	daemon    atomic.Pointer[Daemon]
	waiting   atomic.Pointer[string]
	elsewhere atomic.Pointer[Elsewhere]
}

// NewServer returns a server without a daemon.
func NewServer() *Server {
	s := &Server{}
	s.Waiting("the daemon is starting")
	return s
}

// Show puts the daemon behind the API.
func (s *Server) Show(d Daemon) { s.daemon.Store(&d) }

// Waiting says what the daemon is waiting for.
func (s *Server) Waiting(why string) { s.waiting.Store(&why) }

// Handler routes the API, to this host's daemon or to another's.
func (s *Server) Handler() http.Handler { return s.relay(s.mux()) }

// mux routes the API of this host's daemon.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", answer(s, Daemon.Status))
	mux.HandleFunc("GET /v1/hosts", answer(s, Daemon.Hosts))
	mux.HandleFunc("GET /v1/domains", answer(s, Daemon.Domains))
	mux.HandleFunc("GET /v1/reasons", answer(s, func(Daemon, context.Context) (map[string]string, error) { return reasons(), nil }))
	mux.HandleFunc("GET /v1/plan", answer(s, Daemon.Plan))
	mux.HandleFunc("GET /v1/snapshot", answer(s, Daemon.Snapshot))
	mux.HandleFunc("GET /v1/matrix", func(w http.ResponseWriter, r *http.Request) {
		domain := r.URL.Query().Get("domain")
		answer(s, func(d Daemon, ctx context.Context) (Matrix, error) { return d.Matrix(ctx, domain) })(w, r)
	})
	mux.HandleFunc("GET /v1/explain/{domain}", func(w http.ResponseWriter, r *http.Request) {
		domain := r.PathValue("domain")
		answer(s, func(d Daemon, ctx context.Context) (Explanation, error) { return d.Explain(ctx, domain) })(w, r)
	})
	mux.HandleFunc("GET /v1/history", counted("limit", 50, 1, 1000, func(n int) http.HandlerFunc {
		return answer(s, func(d Daemon, ctx context.Context) ([]Operation, error) { return d.History(ctx, n) })
	}))
	mux.HandleFunc("GET /v1/fleet", counted("history", 0, 0, 200, func(n int) http.HandlerFunc {
		return answer(s, func(d Daemon, ctx context.Context) (FleetReport, error) { return d.Fleet(ctx, n) })
	}))
	mux.HandleFunc("GET /v1/find", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		cpu, err1 := strconv.ParseInt(query.Get("cpu_millis"), 10, 64)
		memory, err2 := strconv.ParseInt(query.Get("memory_bytes"), 10, 64)
		if err1 != nil || err2 != nil || cpu < 1 || memory < 1 {
			writeError(w, http.StatusBadRequest, errors.New("cpu_millis and memory_bytes must be numbers above 0"))
			return
		}
		q := FindQuery{Load: policy.Load{CPU: policy.MilliCPU(cpu), Memory: policy.Bytes(memory)}, Requires: query["label"]}
		answer(s, func(d Daemon, ctx context.Context) ([]Room, error) { return d.Find(ctx, q) })(w, r)
	})
	mux.HandleFunc("GET /v1/networks/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		answer(s, func(d Daemon, ctx context.Context) (Network, error) { return d.Network(ctx, name) })(w, r)
	})
	mux.HandleFunc("GET /v1/timeline", counted("after", 0, 0, math.MaxInt, func(n int) http.HandlerFunc {
		return answer(s, func(d Daemon, _ context.Context) (Timeline, error) { return d.Timeline(time.UnixMilli(int64(n))), nil })
	}))
	mux.HandleFunc("GET /v1/drain", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		q := DrainQuery{Check: query.Get("check") == "true", Without: query["without"]}
		answer(s, func(d Daemon, ctx context.Context) (Drain, error) { return d.Drain(ctx, q) })(w, r)
	})
	mux.HandleFunc("POST /v1/move", func(w http.ResponseWriter, r *http.Request) {
		var o MoveOrder
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
		d.DisallowUnknownFields() // an order that is understood in part is not understood
		if err := d.Decode(&o); err != nil {
			writeError(w, http.StatusBadRequest, fmt.Errorf("the order is not understood: %w", err))
			return
		}
		answer(s, func(d Daemon, ctx context.Context) (Operation, error) { return d.Move(ctx, o) })(w, r)
	})
	mux.HandleFunc("POST /v1/cancel/{op}", func(w http.ResponseWriter, r *http.Request) {
		op := policy.OpID(r.PathValue("op"))
		answer(s, func(d Daemon, ctx context.Context) (struct{}, error) { return struct{}{}, d.Cancel(ctx, op) })(w, r)
	})
	for _, order := range []struct {
		on, off string
		set     func(Daemon, context.Context, bool) error
	}{
		{"pause", "resume", Daemon.SetPaused},
		{"cordon", "uncordon", Daemon.SetCordoned},
		{"drain", "undrain", Daemon.SetDraining},
	} {
		for path, set := range map[string]bool{order.on: true, order.off: false} {
			mux.HandleFunc("POST /v1/"+path, answer(s, func(d Daemon, ctx context.Context) (struct{}, error) {
				return struct{}{}, order.set(d, ctx, set)
			}))
		}
	}
	s.serveRules(mux)
	return mux
}

// reasons are the texts of all reasons, by their labels.
func reasons() map[string]string {
	texts := map[string]string{}
	for _, r := range policy.Reasons() {
		texts[r.String()] = r.Text()
	}
	return texts
}

// counted reads a number from the query, and hands the request on.
func counted(key string, n, low, high int, next func(n int) http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := n
		if text := r.URL.Query().Get(key); text != "" {
			var err error
			if n, err = strconv.Atoi(text); err != nil || n < low || n > high {
				writeError(w, http.StatusBadRequest, fmt.Errorf("%s %q is not a number within %d..%d", key, text, low, high))
				return
			}
		}
		next(n)(w, r)
	}
}

// answer makes a handler of a question to the daemon.
func answer[T any](s *Server, question func(Daemon, context.Context) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d := s.daemon.Load()
		if d == nil {
			writeError(w, http.StatusServiceUnavailable, errors.New(*s.waiting.Load()))
			return
		}
		v, err := question(*d, r.Context())
		if err != nil {
			writeError(w, http.StatusInternalServerError, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
	}
}

type errorReply struct {
	Error  string        `json:"error"`
	Reason policy.Reason `json:"reason,omitempty"`
}

func writeError(w http.ResponseWriter, code int, err error) {
	reply := errorReply{Error: err.Error()}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		code, reply.Reason = http.StatusConflict, refusal.Reason
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(reply)
}
