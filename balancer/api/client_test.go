package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// daemon answers at a unix socket, to which it returns a client.
func daemon(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return NewClient(socket)
}

// An order that is turned away because the daemon has too many requests is given
// again, whole, and is carried out once.
func TestBusyDaemonIsAskedAgain(t *testing.T) {
	var asked, moved atomic.Int32
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"domain":"web","to":"h2"}` || r.URL.Path != "/v1/move" {
			t.Errorf("asked %s %q, %v", r.URL, body, err)
		}
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		moved.Add(1)
		_, _ = io.WriteString(w, `{"op":"1"}`)
	})
	op, err := c.Move(t.Context(), MoveOrder{Domain: "web", To: "h2"})
	if err != nil || op.ID != "1" || moved.Load() != 1 {
		t.Errorf("%+v, %v; moved %d times", op, err, moved.Load())
	}
}

// Who waits no longer is told why there was no answer.
func TestBusyDaemonIsGivenUp(t *testing.T) {
	c := daemon(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":"too many requests: wait a moment"}`)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.Status(ctx)
	var told *Error
	if !errors.As(err, &told) || told.Message != "too many requests: wait a moment" {
		t.Errorf("got %v", err)
	}
}

// What the daemon refuses for another reason is not asked again.
func TestRefusalIsTakenForAnAnswer(t *testing.T) {
	var asked atomic.Int32
	c := daemon(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if _, err := c.Status(t.Context()); err == nil || asked.Load() != 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

// A daemon that hangs up has perhaps read an order, which is not given again; a
// question is.
func TestDaemonHangsUp(t *testing.T) {
	var asked atomic.Int32
	c := daemon(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "{}")
	})
	if err := c.SetPaused(t.Context(), true); !errors.Is(err, errHungUp) || asked.Load() != 1 {
		t.Errorf("an order: %v, asked %d times", err, asked.Load())
	}
	if _, err := c.Status(t.Context()); err != nil || asked.Load() != 3 {
		t.Errorf("a question: %v, asked %d times in all", err, asked.Load())
	}
}

// A daemon with too many connections closes them at once. Whichever step the
// client is at when it notices, it takes it for that.
func TestDaemonClosesAtOnce(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			_ = conn.Close()
		}
	}()
	c := NewClient(socket)
	for range 1000 {
		if err := c.sendOnce(t.Context(), http.MethodGet, "/v1/status", nil, &Status{}); !errors.Is(err, errHungUp) {
			t.Fatalf("got %v", err)
		}
	}
}
