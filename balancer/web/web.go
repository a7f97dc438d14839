package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed page
var page embed.FS

// Options make a Handler.
type Options struct {
	// API answers below /v1/.
	API http.Handler
	// Names are host names by which the page may be asked for, besides addresses
	// and localhost. AnyName accepts all: right where whoever asks has to show
	// a password or a certificate first.
	Names   []string
	AnyName bool
}

// Handler serves the page, and the API to it.
func Handler(o Options) (http.Handler, error) {
	files, err := load()
	if err != nil {
		return nil, fmt.Errorf("web page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", compressed(o.API))
	for name, f := range files {
		mux.Handle("GET /"+name, f)
		if name == "index.html" {
			mux.Handle("GET /{$}", f)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		// Nothing but what this daemon serves, and no form, plugin or frame at all.
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if r.TLS != nil || loopback(r.Host) { // elsewhere browsers ignore it, and complain
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		switch {
		case !o.AnyName && !ours(r.Host, o.Names):
			refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("this daemon is not called %.80q: ask for it by its address or by localhost", r.Host))
		case elsewhere(r):
			refuse(w, http.StatusForbidden, "a page of another site asked")
		default:
			mux.ServeHTTP(w, r)
		}
	}), nil
}

// ours reports whether a Host header names this daemon. An address always does:
// somebody else's name that was made to point here (DNS rebinding) shows as
// itself.
func ours(host string, names []string) bool {
	name := nameOf(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return strings.EqualFold(name, "localhost") ||
		slices.ContainsFunc(names, func(n string) bool { return n != "" && strings.EqualFold(n, name) })
}

// loopback reports whether a Host header names the host that asks, as seen by
// itself.
func loopback(host string) bool {
	name := nameOf(host)
	a, err := netip.ParseAddr(name)
	return err == nil && a.IsLoopback() || strings.EqualFold(name, "localhost")
}

// nameOf is the name or address in a Host header.
func nameOf(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return strings.TrimSuffix(strings.Trim(name, "[]"), ".")
}

// elsewhere reports a request that another site's page makes a browser send. To
// follow a link to the page is fine.
func elsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document" || strings.HasPrefix(r.URL.Path, "/v1/")
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why}) // the client has gone: nobody to tell
}

// file is one file of the page.
type file struct {
	name, etag string
	data       []byte
}

// load reads the page. Every file has an ETag of its content: a new version of
// the daemon shows at once, the same one is not sent twice.
func load() (map[string]file, error) {
	files := map[string]file{}
	root, err := fs.Sub(page, "page")
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		sum := sha256.Sum256(data)
		files[name] = file{name, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, data}
		return err
	})
	return files, err
}

func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Not left to the host's table of types, which may be missing.
	w.Header().Set("Content-Type", map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}[path.Ext(f.name)])
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", f.etag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.data))
}

// compressed packs answers for those who can unpack them: the report of a large
// fleet is a few megabytes of text that says the same again and again.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Add("Vary", "Accept-Encoding")
		if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		packer, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // a level that exists
		w.Header().Set("Content-Encoding", "gzip")
		next.ServeHTTP(&packed{w, packer}, r)
		_ = packer.Close() // the client has gone: nobody to tell
	})
}

type packed struct {
	http.ResponseWriter
	packer *gzip.Writer
}

func (p *packed) Write(b []byte) (int, error) { return p.packer.Write(b) }
