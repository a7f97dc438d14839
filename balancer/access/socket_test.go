package access

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/access/accesstest"
	"github.com/virtbalance/virtbalance/balancer/gate"
)

// Numbers that no account of a test machine has.
const (
	ownerUID    = 61001
	strangerUID = 61002
	readers     = 61101
	changers    = 61102
	others      = 61103
)

func groups() Groups {
	r, c := uint32(readers), uint32(changers)
	return Groups{Readers: &r, Changers: &c, ReadersName: "readers", ChangersName: "changers", Owner: ownerUID}
}

// who tries to use the socket.
type who = accesstest.User

// serve serves a handler that lets everything through, and returns its socket.
func serve(t *testing.T, o SocketOptions) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: cannot pass for other users")
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "api.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	o.Listener = l
	if o.Handler == nil {
		o.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, r.Body)
		})
	}
	o.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := ServeSocket(ctx, o); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return path
}

// ask makes one request on a connection.
func ask(t *testing.T, conn net.Conn, method string, body io.Reader) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://daemon/v1/anything", body)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestWhoMayDoWhat(t *testing.T) {
	path := serve(t, SocketOptions{Groups: groups()})
	for _, tt := range []struct {
		name         string
		who          who
		read, change int
		says         string
	}{
		{"root", who{UID: 0}, 200, 200, ""},
		{"the daemon's user", who{UID: ownerUID, GID: others}, 200, 200, ""},
		{"a reader", who{UID: strangerUID, GID: readers}, 200, 403, "uid 61002 may look, not change anything: that is for root and the group changers (api.change_group)"},
		{"a reader by a supplementary group", who{UID: strangerUID, GID: others, Groups: []uint32{1, readers}}, 200, 403, "may look"},
		{"a changer", who{UID: strangerUID, GID: changers}, 200, 200, ""},
		{"a changer by a supplementary group", who{UID: strangerUID, GID: others, Groups: []uint32{1, 2, changers}}, 200, 200, ""},
		{"somebody in many groups", who{UID: strangerUID, GID: others, Groups: append(many(1000), changers)}, 200, 200, ""},
		{"a stranger", who{UID: strangerUID, GID: others}, 403, 403, "uid 61002 may not use this socket: that is for root and the group changers (api.change_group)"},
		{"a user with the group's number", who{UID: changers, GID: others}, 403, 403, "may not use this socket"},
		{"root's group alone", who{UID: strangerUID, GID: 0}, 403, 403, "may not use this socket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for method, want := range map[string]int{http.MethodGet: tt.read, http.MethodHead: tt.read, http.MethodPost: tt.change, http.MethodDelete: tt.change} {
				conn, err := accesstest.Dial(tt.who, path)
				if err != nil {
					t.Fatal(err)
				}
				code, text := ask(t, conn, method, http.NoBody)
				if code != want {
					t.Errorf("%s: %d %s, want %d", method, code, text, want)
				}
				if method == http.MethodPost && !strings.Contains(text, tt.says) {
					t.Errorf("%s says %q, want %q", method, text, tt.says)
				}
			}
		})
	}
}

func many(n int) []uint32 {
	g := make([]uint32, n)
	for i := range g {
		g[i] = uint32(70000 + i)
	}
	return g
}

// Without groups, only root and the daemon's user are left.
func TestNoGroups(t *testing.T) {
	path := serve(t, SocketOptions{Groups: Groups{Owner: ownerUID}})
	for _, tt := range []struct {
		who  who
		want int
	}{
		{who{UID: 0}, 200},
		{who{UID: ownerUID}, 200},
		{who{UID: strangerUID, GID: 0, Groups: []uint32{0}}, 403},
	} {
		conn, err := accesstest.Dial(tt.who, path)
		if err != nil {
			t.Fatal(err)
		}
		if code, text := ask(t, conn, http.MethodGet, http.NoBody); code != tt.want {
			t.Errorf("uid %d: %d %s, want %d", tt.who.UID, code, text, tt.want)
		}
	}
}

// One user's flood, of connections or of requests, leaves room for others, and
// ends in a refusal, not in memory.
func TestOneUserCannotLockOutOthers(t *testing.T) {
	l := DefaultLimits()
	l.Connections = gate.Allowance{AtOnce: 4, PerSecond: 1000, Burst: 1000}
	l.Requests = gate.Allowance{AtOnce: 2, PerSecond: 1000, Burst: 1000}
	inside, release := make(chan struct{}, 10), make(chan struct{})
	path := serve(t, SocketOptions{Groups: groups(), Limits: l, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			inside <- struct{}{}
			<-release
		}
		w.WriteHeader(http.StatusOK)
	})})
	flooder, other := who{UID: strangerUID, GID: changers}, who{UID: ownerUID, GID: others}
	dial := func(w who) net.Conn {
		conn, err := accesstest.Dial(w, path)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	var waiting sync.WaitGroup
	for range l.Requests.AtOnce {
		conn := dial(flooder)
		waiting.Go(func() {
			if code, text := ask(t, conn, http.MethodPost, http.NoBody); code != 200 {
				t.Errorf("a request within the limits: %d %s", code, text)
			}
		})
		<-inside
	}
	if code, text := ask(t, dial(flooder), http.MethodGet, http.NoBody); code != http.StatusTooManyRequests {
		t.Errorf("a request too many: %d %s", code, text)
	}
	// More connections than allowed are closed at once. Some of them are idle, so
	// nothing but the limit ends them.
	closed := 0
	for range 3 * l.Connections.AtOnce {
		conn := dial(flooder)
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) || isReset(err) {
			closed++
		}
	}
	if want := 3*l.Connections.AtOnce - (l.Connections.AtOnce - l.Requests.AtOnce); closed < want {
		t.Errorf("%d connections over the limit were closed, want %d", closed, want)
	}
	if code, text := ask(t, dial(other), http.MethodGet, http.NoBody); code != 200 {
		t.Errorf("another user meanwhile: %d %s", code, text)
	}
	close(release)
	waiting.Wait()
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }

func TestBodiesAreBounded(t *testing.T) {
	path := serve(t, SocketOptions{Groups: groups()})
	for name, body := range map[string]io.Reader{
		"declared":   strings.NewReader(strings.Repeat("x", 1<<20)),
		"undeclared": io.LimitReader(endless{}, 1<<30),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := accesstest.Dial(who{UID: 0}, path)
			if err != nil {
				t.Fatal(err)
			}
			_, text := ask(t, conn, http.MethodPost, body)
			if limit := int(DefaultLimits().Body); len(text) > limit {
				t.Errorf("%d bytes of the body got through, at most %d may", len(text), limit)
			}
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// A connection that is no unix socket has no credentials, so nobody is behind it.
func TestUnknownIsNobody(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if c, err := PeerCredentials(server); err == nil {
		t.Errorf("a pipe has credentials: %+v", c)
	}
	if a := askerOf(t.Context()); a.right != None || a.err == nil {
		t.Errorf("a request that nobody has looked at: %+v", a)
	}
}
