package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/balancer/web"
)

func handler(t *testing.T, o web.Options) http.Handler {
	t.Helper()
	if o.API == nil {
		o.API = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "api "+r.Method+" "+r.URL.Path)
		})
	}
	h, err := web.Handler(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

type answer struct {
	StatusCode int
	Header     http.Header
	Body       string
}

func ask(h http.Handler, method, path string, header ...string) answer {
	r := httptest.NewRequest(method, path, http.NoBody)
	r.Host = "127.0.0.1:17453"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// Every file that the page names is there, with its type, and names nothing
// that is elsewhere.
func TestThePageIsWhole(t *testing.T) {
	h := handler(t, web.Options{})
	seen := map[string]bool{}
	refers := regexp.MustCompile(`(?:src|href)="([^"#]+)"|from "([^"]+)"`)
	elsewhere := regexp.MustCompile(`https?://[^ "')]*|style="|<script>|<style|\son[a-z]+="`)
	var visit func(path string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		r := ask(h, "GET", path)
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, http.StatusText(r.StatusCode))
			return
		}
		if r.Header.Get("Content-Type") == "" || r.Header.Get("ETag") == "" {
			t.Errorf("%s: %v", path, r.Header)
		}
		if again := ask(h, "GET", path, "If-None-Match", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s asked for again: %s", path, http.StatusText(again.StatusCode))
		}
		text := r.Body
		for _, found := range elsewhere.FindAllString(text, -1) {
			if found != "http://www.w3.org/2000/svg" { // a name, not an address
				t.Errorf("%s has %q", path, found)
			}
		}
		for _, m := range refers.FindAllStringSubmatch(text, -1) {
			visit("/" + strings.TrimLeft(m[1]+m[2], "./"))
		}
	}
	visit("/")
	if len(seen) < 5 {
		t.Errorf("the page has only %d files", len(seen))
	}
}

func TestHeaders(t *testing.T) {
	h := handler(t, web.Options{})
	for _, path := range []string{"/", "/app.js", "/v1/fleet", "/nothing"} {
		r := ask(h, "GET", path)
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: content security policy %q", path, csp)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
	// Where the page is not served securely, browsers ignore this one, and say so
	// on their console.
	for host, want := range map[string]string{"127.0.0.1:17453": "same-origin", "[::1]:17453": "same-origin", "localhost": "same-origin", "10.1.2.3:17453": ""} {
		if got := ask(h, "GET", "/", "Host", host).Header.Get("Cross-Origin-Opener-Policy"); got != want {
			t.Errorf("opener policy %q for %s, want %q", got, host, want)
		}
	}
	if r := ask(h, "POST", "/"); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %s", http.StatusText(r.StatusCode))
	}
}

// Who makes a name of their own point at the daemon gets nothing.
func TestNames(t *testing.T) {
	h := handler(t, web.Options{Names: []string{"hv1"}})
	for host, ok := range map[string]bool{
		"127.0.0.1:17453": true, "localhost": true, "LOCALHOST:80": true, "[::1]:17453": true, "10.1.2.3": true,
		"hv1:17453": true, "hv1.": true,
		"hv2": false, "evil.example": false, "hv1.evil.example:17453": false, "localhost.evil.example": false, "": false, "127.0.0.1.evil.example": false,
	} {
		for _, path := range []string{"/", "/v1/fleet"} {
			r := ask(h, "GET", path, "Host", host)
			if (r.StatusCode == http.StatusOK) != ok {
				t.Errorf("%s of %q: %s", path, host, http.StatusText(r.StatusCode))
			}
		}
	}
	if r := ask(handler(t, web.Options{AnyName: true}), "GET", "/", "Host", "proxy.example"); r.StatusCode != http.StatusOK {
		t.Errorf("any name is accepted, but: %s", http.StatusText(r.StatusCode))
	}
}

// Another site's page may link here, and nothing else.
func TestOtherSites(t *testing.T) {
	h := handler(t, web.Options{})
	for _, tt := range []struct {
		path, site, mode, dest string
		ok                     bool
	}{
		{"/", "none", "navigate", "document", true},
		{"/", "cross-site", "navigate", "document", true},
		{"/", "cross-site", "navigate", "iframe", false},
		{"/app.js", "cross-site", "no-cors", "script", false},
		{"/v1/fleet", "same-origin", "cors", "empty", true},
		{"/v1/fleet", "cross-site", "navigate", "document", false},
		{"/v1/fleet", "same-site", "cors", "empty", false},
	} {
		r := ask(h, "GET", tt.path, "Sec-Fetch-Site", tt.site, "Sec-Fetch-Mode", tt.mode, "Sec-Fetch-Dest", tt.dest)
		if (r.StatusCode == http.StatusOK) != tt.ok {
			t.Errorf("%+v: %s", tt, http.StatusText(r.StatusCode))
		}
	}
}

func TestAnswersArePacked(t *testing.T) {
	h := handler(t, web.Options{API: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("the same again, ", 1000))
	})})
	s := httptest.NewServer(h)
	defer s.Close()
	r, err := s.Client().Get(s.URL + "/v1/fleet") // the client unpacks by itself
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || !r.Uncompressed || len(text) != 16000 {
		t.Errorf("%d bytes, packed: %v, %v", len(text), r.Uncompressed, err)
	}
	if plain := ask(h, "GET", "/v1/fleet").Body; len(plain) != 16000 {
		t.Errorf("%d bytes in the clear", len(plain))
	}
}
