package access

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gate"
)

// Limits bound what askers can make a server hold and do.
type Limits struct {
	// Body and Header of a request, in bytes.
	Body   int64
	Header int
	// Connections and requests of one asker, a user or an address, and of all.
	Connections, ConnectionsTotal gate.Allowance
	Requests, RequestsTotal       gate.Allowance

	// HeaderTime bounds TLS and the header of a request, ReadTime the whole of
	// it, WriteTime the answer. Idle ends a connection without requests.
	HeaderTime, ReadTime, WriteTime, Idle time.Duration
}

// DefaultLimits suit people, a page that is open in a few dozen browsers, and
// scripts that do not loop without a pause. Requests are small: the largest has
// a few hundred bytes.
func DefaultLimits() Limits {
	return Limits{
		Body:   64 << 10,
		Header: 16 << 10,

		Connections:      gate.Allowance{AtOnce: 32, PerSecond: 50, Burst: 100},
		ConnectionsTotal: gate.Allowance{AtOnce: 128, PerSecond: 200, Burst: 400},
		Requests:         gate.Allowance{AtOnce: 16, PerSecond: 50, Burst: 100},
		RequestsTotal:    gate.Allowance{AtOnce: 64, PerSecond: 200, Burst: 400},

		HeaderTime: 5 * time.Second,
		ReadTime:   10 * time.Second,
		WriteTime:  60 * time.Second,
		Idle:       time.Minute,
	}
}

// limited is a server within limits. K tells askers apart.
type limited[K comparable] struct {
	limits   Limits
	requests *gate.Gate[K]
	warnings *gate.Log
	refused  *Refusals
}

func newLimited[K comparable](l Limits, warnings *gate.Log, refused *Refusals) *limited[K] {
	return &limited[K]{limits: l, requests: gate.New[K](l.Requests, l.RequestsTotal), warnings: warnings, refused: refused}
}

// listener turns connections over the limits away.
func (l *limited[K]) listener(inner net.Listener, key func(net.Conn) K) net.Listener {
	return &gate.Listener[K]{
		Listener: inner, Key: key,
		Gate: gate.New[K](l.limits.Connections, l.limits.ConnectionsTotal),
		Refuse: func(v gate.Verdict, remote net.Addr) {
			if v == gate.OverTotal {
				l.refused.count(causeConnectionsTotal)
			} else {
				l.refused.count(causeConnections)
			}
			l.warnings.Warn("too many connections to the API", "remote", remote.String())
		},
	}
}

// server serves handler, for askers that keyed tells apart.
func (l *limited[K]) server(handler http.Handler, keyed func(context.Context) K) *http.Server {
	return &http.Server{
		Handler:           l.handler(handler, keyed),
		ReadHeaderTimeout: l.limits.HeaderTime,
		ReadTimeout:       l.limits.ReadTime,
		WriteTimeout:      l.limits.WriteTime,
		IdleTimeout:       l.limits.Idle,
		MaxHeaderBytes:    l.limits.Header,
	}
}

// handler turns requests over the limits away.
func (l *limited[K]) handler(next http.Handler, keyed func(context.Context) K) http.Handler {
	bounded := http.MaxBytesHandler(next, l.limits.Body)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := keyed(r.Context())
		switch l.requests.Enter(key) {
		case gate.OverOwn:
			l.refused.count(causeRequests)
			refuse(w, http.StatusTooManyRequests, errors.New("too many requests: wait a moment"))
		case gate.OverTotal:
			l.refused.count(causeRequestsTotal)
			refuse(w, http.StatusServiceUnavailable, errors.New("too many requests of all who ask: wait a moment"))
		case gate.Admitted:
			defer l.requests.Leave(key)
			if r.ContentLength > l.limits.Body {
				l.refused.count(causeTooLarge)
				refuse(w, http.StatusRequestEntityTooLarge, errors.New("the request is too large"))
				return
			}
			bounded.ServeHTTP(w, r)
		}
	})
}

// refuse answers as the API does.
func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client has gone: nobody to tell
		Error string `json:"error"`
	}{err.Error()})
}
