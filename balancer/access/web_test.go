package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// certificate writes a certificate that signs itself, with its key.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const password = "correct horse"

// webFile writes a web configuration.
func webFile(t *testing.T, withTLS, withPassword bool) string {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	if withTLS {
		certificate(t, dir)
		text.WriteString("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n")
	}
	if withPassword {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("basic_auth_users:\n  alice: " + string(hash) + "\n")
	}
	path := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func serveWeb(t *testing.T, config string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		err := ServeWeb(ctx, WebOptions{
			Listener: l, Config: config, Log: slog.New(slog.DiscardHandler),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method) }),
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return l.Addr().String()
}

func TestWebReadsAndChanges(t *testing.T) {
	const noPassword, wrong = "", "wrong"
	for _, tt := range []struct {
		name                  string
		withTLS, withPassword bool
		password              string
		site                  string // where the page comes from that asks
		read, change          int
	}{
		{"nothing configured", false, false, noPassword, "", 200, 403},
		{"a password in the clear does not count", false, true, password, "", 200, 403},
		{"TLS without a password", true, false, noPassword, "", 200, 403},
		{"TLS and a password", true, true, password, "", 200, 200},
		{"TLS, the password missing", true, true, noPassword, "", 401, 401},
		{"TLS, the wrong password", true, true, wrong, "", 401, 401},
		{"another site's page in a browser that knows the password", true, true, password, "cross-site", 200, 403},
		{"our own page", true, true, password, "same-origin", 200, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := ""
			if tt.withTLS || tt.withPassword {
				config = webFile(t, tt.withTLS, tt.withPassword)
			}
			address := serveWeb(t, config)
			client := &http.Client{Transport: &http.Transport{
				TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // who the server is does not matter here
				DisableKeepAlives: true,
			}}
			scheme := "http"
			if tt.withTLS {
				scheme = "https"
			}
			for method, want := range map[string]int{http.MethodGet: tt.read, http.MethodPost: tt.change} {
				r, err := http.NewRequestWithContext(t.Context(), method, scheme+"://"+address+"/v1/pause", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				if tt.password != "" {
					r.SetBasicAuth("alice", tt.password)
				}
				if tt.site != "" {
					r.Header.Set("Sec-Fetch-Site", tt.site)
				}
				response, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if response.StatusCode != want {
					t.Errorf("%s: %d %s, want %d", method, response.StatusCode, text, want)
				}
			}
		})
	}
}

// A file that demands less than at the start takes the right to change away.
func TestWebDemandsAreReadAgain(t *testing.T) {
	config := webFile(t, true, true)
	address := serveWeb(t, config)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // as above
	}}
	defer client.CloseIdleConnections()
	begun, err := client.Get("https://" + address) // the file has been read by then
	if err != nil {
		t.Fatal(err)
	}
	_ = begun.Body.Close()
	content, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	without, _, _ := strings.Cut(string(content), "basic_auth_users")
	if err := os.WriteFile(config, []byte(without), 0o600); err != nil {
		t.Fatal(err)
	}
	response, err := client.Post("https://"+address+"/v1/pause", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("%s, want 403", response.Status)
	}
}

func TestWebDemands(t *testing.T) {
	for _, tt := range []struct {
		withTLS, withPassword bool
		want                  Demands
	}{
		{false, false, Demands{}},
		{false, true, Demands{}},
		{true, false, Demands{TLS: true}},
		{true, true, Demands{TLS: true, Authentication: true}},
	} {
		if got, err := WebDemands(webFile(t, tt.withTLS, tt.withPassword)); err != nil || got != tt.want {
			t.Errorf("TLS %v, password %v: %+v, %v", tt.withTLS, tt.withPassword, got, err)
		}
	}
	for name, text := range map[string]string{
		"unknown key":    "tls: {}\n",
		"no such file":   "tls_server_config: {cert_file: a.pem, key_file: b.pem}\n",
		"clear password": "basic_auth_users: {alice: secret}\n",
	} {
		path := filepath.Join(t.TempDir(), "web.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := WebDemands(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
}
