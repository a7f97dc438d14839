package peer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// raw is a client without manners.
type raw struct {
	t         *testing.T
	transport *http.Transport
	endpoint  policy.Endpoint
}

func newRaw(t *testing.T, e policy.Endpoint) *raw {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &raw{t, transport, e}
}

// send makes a request as host A to host B, which change may alter.
func (r *raw) send(path string, body io.Reader, change func(*http.Request)) (status int, code string, err error) {
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.endpoint.Peer+path, body)
	must(r.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Virtbalance-From", string(hostA))
	request.Header.Set("Virtbalance-To", string(hostB))
	if change != nil {
		change(request)
	}
	response, err := r.transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	var answer peer.Error
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = json.Unmarshal(data, &answer)
	}
	return response.StatusCode, answer.Code, err
}

func reserveJSON(t *testing.T) string {
	t.Helper()
	b, err := json.Marshal(reservation())
	must(t, err)
	return string(b)
}

// What is not a proper request is refused by its own name, counted under it,
// and never reaches the handler.
func TestImproperRequests(t *testing.T) {
	s, endpoint := serve(t, peer.ServerOptions{Handler: unreachable(t), Insecure: true})
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	proper := reserveJSON(t)
	for name, c := range map[string]struct {
		path   string
		body   string
		change func(*http.Request)
		status int
		why    peer.Refusal
	}{
		"nobody asks":       {body: proper, change: header("Virtbalance-From", ""), status: 400, why: peer.RefusedSender},
		"a path asks":       {body: proper, change: header("Virtbalance-From", "../../etc/passwd"), status: 400, why: peer.RefusedSender},
		"upper case":        {body: proper, change: header("Virtbalance-From", strings.ToUpper(string(hostA))), status: 400, why: peer.RefusedSender},
		"nobody is asked":   {body: proper, change: header("Virtbalance-To", ""), status: 421, why: peer.RefusedMisdirected},
		"another is asked":  {body: proper, change: header("Virtbalance-To", string(hostC)), status: 421, why: peer.RefusedMisdirected},
		"no such call":      {body: proper, path: "/v1/destroy", status: 404, why: peer.RefusedCall},
		"a later version":   {body: proper, path: "/v2/reserve", status: 404, why: peer.RefusedCall},
		"GET":               {body: proper, change: func(r *http.Request) { r.Method = http.MethodGet }, status: 404, why: peer.RefusedCall},
		"text":              {body: proper, change: header("Content-Type", "text/plain"), status: 415, why: peer.RefusedContentType},
		"no type":           {body: proper, change: func(r *http.Request) { r.Header.Del("Content-Type") }, status: 415, why: peer.RefusedContentType},
		"compressed":        {body: proper, change: header("Content-Encoding", "gzip"), status: 415, why: peer.RefusedContentType},
		"too large":         {body: `{"op":"` + strings.Repeat("x", 1<<20) + `"}`, status: 413, why: peer.RefusedTooLarge},
		"too large, unsaid": {body: `{"op":"` + strings.Repeat("x", 1<<20) + `"}`, change: func(r *http.Request) { r.ContentLength = -1 }, status: 413, why: peer.RefusedTooLarge},
		"empty":             {status: 400, why: peer.RefusedMalformed},
		"half":              {body: proper[:len(proper)/2], status: 400, why: peer.RefusedMalformed},
		"twice":             {body: proper + proper, status: 400, why: peer.RefusedMalformed},
		"not JSON":          {body: "\x00\xff\xfe", status: 400, why: peer.RefusedMalformed},
		"a list":            {body: "[]", status: 400, why: peer.RefusedMalformed},
		"deep":              {body: strings.Repeat(`{"move":`, 50_000), status: 400, why: peer.RefusedMalformed},
		"NaN":               {body: strings.Replace(proper, `"to_after":0.4`, `"to_after":NaN`, 1), status: 400, why: peer.RefusedMalformed},
		"out of range":      {body: strings.Replace(proper, `"to_after":0.4`, `"to_after":1e999`, 1), status: 400, why: peer.RefusedMalformed},
		"null":              {body: "null", status: 400, why: peer.RefusedInvalid},
		"nothing":           {body: "{}", status: 400, why: peer.RefusedInvalid},
		"huge number":       {body: strings.Replace(proper, `"to_after":0.4`, `"to_after":1e300`, 1), status: 400, why: peer.RefusedInvalid},
		"negative":          {body: strings.Replace(proper, `"cpu_millis":1500`, `"cpu_millis":-1500`, 1), status: 400, why: peer.RefusedInvalid},
		"another's move":    {body: strings.ReplaceAll(proper, string(hostA), string(hostC)), status: 400, why: peer.RefusedInvalid},
		"a move to another": {body: strings.ReplaceAll(proper, string(hostB), "dddddddd-0000-4000-8000-00000000000b"), status: 400, why: peer.RefusedInvalid},
		"another's finish":  {path: "/v1/finish", body: strings.ReplaceAll(proper, string(hostA), string(hostC)), status: 400, why: peer.RefusedInvalid},
		"no operation":      {path: "/v1/renew", body: `{"op":"1 OR 1=1"}`, status: 400, why: peer.RefusedInvalid},
		"no domain":         {path: "/v1/locate", body: `{"domain":""}`, status: 400, why: peer.RefusedInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/v1/reserve"
			}
			before := s.Refused(c.why)
			status, code, err := newRaw(t, endpoint).send(c.path, strings.NewReader(c.body), c.change)
			must(t, err)
			if status != c.status || code != c.why.String() {
				t.Errorf("answered %d %s, want %d %s", status, code, c.status, c.why)
			}
			if s.Refused(c.why) != before+1 {
				t.Errorf("counted %d, want one more than %d", s.Refused(c.why), before)
			}
		})
	}
}

// Headers over the limit end the request before it is looked at.
func TestHugeHeaders(t *testing.T) {
	_, endpoint := serve(t, peer.ServerOptions{Handler: unreachable(t), Insecure: true})
	status, _, err := newRaw(t, endpoint).send("/v1/reserve", nil, func(r *http.Request) {
		r.Header.Set("Padding", strings.Repeat("x", 1<<20))
	})
	if err == nil && status == http.StatusOK {
		t.Error("accepted a header of 1 MiB")
	}
}

// A body that does not come holds its place for no longer than the limit.
func TestSlowBodies(t *testing.T) {
	l := peer.DefaultLimits()
	l.Read = 300 * time.Millisecond
	s, endpoint := serve(t, peer.ServerOptions{Handler: unreachable(t), Insecure: true, Limits: l})
	body, writer := io.Pipe()
	defer writer.Close()
	status, code, err := newRaw(t, endpoint).send("/v1/reserve", body, nil)
	if err == nil && (status != http.StatusRequestTimeout || code != "slow") {
		t.Errorf("answered %d %s, want 408 slow", status, code)
	}
	eventually(t, "counted", func() bool { return s.Refused(peer.RefusedSlow) == 1 })
}

// A connection that says nothing, or garbage, is closed.
func TestSilentAndGarbledConnections(t *testing.T) {
	l := peer.DefaultLimits()
	l.Handshake, l.Idle = 300*time.Millisecond, 300*time.Millisecond
	ca := newAuthority(t)
	for name, o := range map[string]peer.ServerOptions{
		"TLS":        {Certificates: certificates(t, ca.files(nil))},
		"clear text": {Insecure: true},
	} {
		for what, data := range map[string][]byte{
			"silent":  nil,
			"garbled": bytes.Repeat([]byte{0x16, 0x03, 0x01, 0xff, 0xff}, 100),
			"preface": []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				o.Limits = l
				o.Handler = unreachable(t)
				_, endpoint := serve(t, o)
				conn, err := net.Dial("tcp", endpoint.Peer)
				must(t, err)
				defer conn.Close()
				_, err = conn.Write(data)
				must(t, err)
				must(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
				_, err = io.Copy(io.Discard, conn)
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					t.Error("still open after 30 s")
				}
			})
		}
	}
}

// A flood of one host is turned away and bounded in what it occupies, while
// another host gets its answers.
func TestAFloodOfOneHostDoesNotLockOutAnother(t *testing.T) {
	var working atomic.Int64
	hold := make(chan struct{})
	h := &host{reserve: func(_ context.Context, from policy.HostID, _ peer.ReserveRequest) peer.ReserveReply {
		working.Add(1)
		defer working.Add(-1)
		if from == hostA {
			<-hold
		}
		return granted()
	}}
	l := peer.DefaultLimits()
	l.Connections = peer.Allowance{AtOnce: 50, PerSecond: 1000, Burst: 1000}
	s, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true, Limits: l})

	var flood sync.WaitGroup
	before := runtime.NumGoroutine()
	stop := make(chan struct{})
	for range 20 {
		flood.Go(func() {
			r := newRaw(t, endpoint)
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, _, _ = r.send("/v1/reserve", strings.NewReader(reserveJSON(t)), nil)
			}
		})
	}
	eventually(t, "the flood is refused", func() bool { return s.Refused(peer.RefusedRequests) > 1000 })
	if n := working.Load(); n > int64(l.Requests.AtOnce) {
		t.Errorf("%d requests of one host at once, %d are allowed", n, l.Requests.AtOnce)
	}
	// Each of the 20 connections has a few goroutines at both ends.
	if n := runtime.NumGoroutine() - before; n > 20*15 {
		t.Errorf("%d more goroutines", n)
	}
	r := reservation()
	r.Move.From, r.Description.Source.ID = hostC, hostC
	reply, err := client(t, peer.ClientOptions{Self: hostC, Insecure: true}).Reserve(t.Context(), endpoint, r)
	if err != nil || reply.Reason != policy.OK {
		t.Errorf("another host got %v, %v", reply.Reason, err)
	}
	close(stop)
	close(hold)
	flood.Wait()
	eventually(t, "all is quiet", func() bool { return working.Load() == 0 })
}

// Bodies of many hosts at once do not add up beyond the total.
func TestTheTotalIsBounded(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{}, 100)
	h := &host{reserve: func(context.Context, policy.HostID, peer.ReserveRequest) peer.ReserveReply {
		entered <- struct{}{}
		<-hold
		return granted()
	}}
	l := peer.DefaultLimits()
	l.RequestsTotal.AtOnce = 3
	s, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true, Limits: l})
	var asking sync.WaitGroup
	var answered atomic.Int64
	for i := range 8 {
		asking.Go(func() {
			id := policy.HostID(fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i))
			r := reservation()
			r.Move.From, r.Description.Source.ID = id, id
			c, err := peer.NewClient(peer.ClientOptions{Self: id, Insecure: true})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if _, err = c.Reserve(t.Context(), endpoint, r); err == nil {
				answered.Add(1)
			} else if peer.ReasonOf(err) != policy.Unreachable {
				t.Errorf("got %v", err)
			}
		})
	}
	for range 3 {
		<-entered
	}
	eventually(t, "five are refused", func() bool { return s.Refused(peer.RefusedRequestsTotal) == 5 })
	close(hold)
	asking.Wait()
	if answered.Load() != 3 {
		t.Errorf("%d answered, want 3", answered.Load())
	}
}

// Many hosts that send large bodies and never end them cost no more memory than
// the total at once, which is 32 bodies.
func TestUnfinishedBodiesAreBoundedInMemory(t *testing.T) {
	s, endpoint := serve(t, peer.ServerOptions{Handler: unreachable(t), Insecure: true})
	large := bytes.Repeat([]byte(" "), 1<<20-1)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var hosts sync.WaitGroup
	end := make(chan struct{})
	for i := range 15 { // connections
		r := newRaw(t, endpoint)
		_, _, err := r.send("/v1/renew", nil, nil) // refused; the connection is open
		must(t, err)
		for j := range 8 {
			hosts.Go(func() {
				never, writer := io.Pipe()
				defer writer.Close()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_, _, _ = r.send("/v1/reserve", io.MultiReader(bytes.NewReader(large), never), func(r *http.Request) {
						r.Header.Set("Virtbalance-From", fmt.Sprintf("aaaaaaaa-0000-4000-8000-%06d%06d", i, j))
					})
				}()
				select {
				case <-ended:
				case <-end:
				}
				_ = writer.Close()
				<-ended
			})
		}
	}
	eventually(t, "what is over the total is refused", func() bool { return s.Refused(peer.RefusedRequestsTotal) >= 15*8-32 })
	if grown := heap() - before; grown > 128<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	} else {
		t.Logf("the heap has grown by %d MiB, both ends together", grown>>20)
	}
	close(end)
	hosts.Wait()
}

// Connections of one address are bounded, and given back.
func TestConnectionsAreBounded(t *testing.T) {
	l := peer.DefaultLimits()
	l.Connections = peer.Allowance{AtOnce: 2, PerSecond: 1000, Burst: 1000}
	s, endpoint := serve(t, peer.ServerOptions{Insecure: true, Limits: l})
	var open []net.Conn
	for range 10 {
		conn, err := net.Dial("tcp", endpoint.Peer)
		must(t, err)
		open = append(open, conn)
	}
	eventually(t, "eight are closed", func() bool { return s.Refused(peer.RefusedConnections) == 8 })
	for _, conn := range open {
		must(t, conn.Close())
	}
	c := client(t, peer.ClientOptions{Insecure: true})
	eventually(t, "a place is free again", func() bool {
		return c.Renew(t.Context(), endpoint, hostB, op) == nil
	})
}

// A newer daemon says more, an older one less: both are understood.
func TestVersionsUnderstandEachOther(t *testing.T) {
	var got peer.ReserveRequest
	h := &host{reserve: func(_ context.Context, _ policy.HostID, r peer.ReserveRequest) peer.ReserveReply {
		got = r
		return granted()
	}}
	_, endpoint := serve(t, peer.ServerOptions{Handler: h, Insecure: true})
	newer := strings.Replace(reserveJSON(t), `"move":{`, `"urgency":{"level":[1,2]},"move":{"gpu":"h100",`, 1)
	newer = strings.Replace(newer, `"why":"overload"`, `"why":"full_moon"`, 1)
	older := strings.Replace(reserveJSON(t), `"why":"overload",`, ``, 1)
	for name, body := range map[string]string{"newer": newer, "older": older} {
		status, code, err := newRaw(t, endpoint).send("/v1/reserve", strings.NewReader(body), nil)
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %s %v", name, status, code, err)
		}
		want := reservation()
		want.Move.Why = map[string]policy.Reason{"newer": policy.Unrecognized, "older": policy.OK}[name]
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: read\n%+v, want\n%+v", name, got, want)
		}
	}
}

// A newer target refuses for a reason that this version does not know, and
// says more of itself: a refusal it is.
func TestANewerTargetIsUnderstood(t *testing.T) {
	endpoint := answering(t, http.StatusOK, "application/json; charset=utf-8",
		`{"reason":"too_sunny","detail":"32 C","weather":{"sun":true},"host":{"id":"`+string(hostB)+`","name":"b","band":"scorching","moons":2}}`)
	reply, err := client(t, peer.ClientOptions{Insecure: true}).Reserve(t.Context(), endpoint, reservation())
	must(t, err)
	if reply.Reason != policy.Unrecognized || reply.Detail != "32 C" || reply.Host.Band != policy.BandUnknown {
		t.Errorf("got %+v", reply)
	}
}

// What answers may be no virtbalanced, or one gone mad.
func TestHostileAnswers(t *testing.T) {
	for name, a := range map[string]struct {
		status     int
		media      string
		body, want string
	}{
		"a web server":    {200, "text/html", "<html>", "is this the port of a virtbalanced?"},
		"half":            {200, "application/json", `{"reason":`, "malformed"},
		"endless":         {200, "application/json", strings.Repeat(" ", 3<<20), "more than 1048576 bytes"},
		"an empty error":  {500, "application/json", `{}`, "status_500"},
		"a rude error":    {403, "application/json", `{"code":"identity","message":"no\u001b[2J\n"}`, "identity: no [2J"},
		"a wordy refusal": {200, "application/json", `{"reason":"drain","detail":"` + strings.Repeat("x", 2000) + `"}`, "detail has 2000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := answering(t, a.status, a.media, a.body)
			_, err := client(t, peer.ClientOptions{Insecure: true}).Reserve(t.Context(), endpoint, reservation())
			if err == nil || !strings.Contains(err.Error(), a.want) {
				t.Errorf("got %v, want %q in it", err, a.want)
			}
		})
	}
}

// answering is a server that always says the same.
func answering(t *testing.T, status int, media, body string) policy.Endpoint {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})}
	server.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return policy.Endpoint{Peer: listener.Addr().String()}
}
