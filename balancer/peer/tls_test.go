package peer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

// unreachable fails the test if a request gets through to the handler.
func unreachable(t *testing.T) *host {
	return &host{reserve: func(_ context.Context, from policy.HostID, _ peer.ReserveRequest) peer.ReserveReply {
		t.Errorf("the handler was asked by %s", from)
		return peer.ReserveReply{Reason: policy.Unauthorized}
	}}
}

// Whoever is not the host it claims to be does not get through, learns that it
// was not accepted, and is counted.
func TestAskersAreIdentified(t *testing.T) {
	ca, otherCA := newAuthority(t), newAuthority(t)
	named := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{name} }
	}
	for name, asker := range map[string]struct {
		files peer.Files
		why   peer.Refusal
	}{
		"another CA":               {otherCA.files(nil), peer.RefusedHandshake},
		"another host's name":      {ca.files(named("c.example")), peer.RefusedIdentity},
		"a wildcard":               {ca.files(named("*.example")), peer.RefusedIdentity},
		"another host's UUID":      {ca.files(withUUID(string(hostC))), peer.RefusedIdentity},
		"another host's UUID only": {ca.files(func(c *x509.Certificate) { c.IPAddresses = nil; withUUID(string(hostC))(c) }), peer.RefusedIdentity},
	} {
		t.Run(name, func(t *testing.T) {
			own := asker.files
			own.CA = caFile(t, ca.pem()) // so that only the server has something against the other
			if asker.why == peer.RefusedHandshake {
				own.CA = caFile(t, append(ca.pem(), otherCA.pem()...))
			}
			identify := peer.IdentifyByName(func(policy.HostID) ([]string, bool) { return []string{"127.0.0.1", "a.example"}, true })
			s, endpoint := serve(t, peer.ServerOptions{Handler: unreachable(t), Certificates: certificates(t, ca.files(nil)), Identify: identify})
			_, err := client(t, peer.ClientOptions{Certificates: certificates(t, own)}).Reserve(t.Context(), endpoint, reservation())
			if err == nil || peer.ReasonOf(err) != policy.Unauthorized {
				t.Errorf("got %v (%v), want unauthorized", err, peer.ReasonOf(err))
			}
			eventually(t, "counted as "+asker.why.String(), func() bool { return s.Refused(asker.why) > 0 })
		})
	}
}

func caFile(t *testing.T, data []byte) string {
	t.Helper()
	path := t.TempDir() + "/cacert.pem"
	write(t, path, data)
	return path
}

// A name that gossip tells of the host, or its UUID, is what it takes.
func TestAskersAreKnownByNameAddressOrUUID(t *testing.T) {
	ca := newAuthority(t)
	for name, change := range map[string]func(*x509.Certificate){
		"address": nil,
		"name":    func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"A.Example."} },
		"UUID":    func(c *x509.Certificate) { c.IPAddresses = nil; withUUID(strings.ToUpper(string(hostA)))(c) },
	} {
		t.Run(name, func(t *testing.T) {
			identify := peer.IdentifyByName(func(id policy.HostID) ([]string, bool) {
				return []string{"127.0.0.1", "a.example"}, id == hostA
			})
			_, endpoint := serve(t, peer.ServerOptions{Certificates: certificates(t, ca.files(nil)), Identify: identify})
			c := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(change))})
			must(t, c.Renew(t.Context(), endpoint, hostB, op))
		})
	}
}

// A host that gossip does not tell of yet is refused, with the reason in words.
func TestUnknownAskersAreRefused(t *testing.T) {
	ca := newAuthority(t)
	nobody := peer.IdentifyByName(func(policy.HostID) ([]string, bool) { return nil, false })
	s, endpoint := serve(t, peer.ServerOptions{Certificates: certificates(t, ca.files(nil)), Identify: nobody})
	err := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))}).Renew(t.Context(), endpoint, hostB, op)
	if err == nil || !strings.Contains(err.Error(), "not known here yet") || s.Refused(peer.RefusedIdentity) != 1 {
		t.Errorf("got %v", err)
	}
}

// A client gives nothing away to a server that is not the host it means.
func TestServersAreIdentified(t *testing.T) {
	ca, otherCA := newAuthority(t), newAuthority(t)
	for name, server := range map[string]struct {
		files     peer.Files
		migration string
		ok        bool
	}{
		"its address":            {files: ca.files(nil), ok: true},
		"its migration name":     {files: ca.files(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"b.example"} }), migration: "b.example", ok: true},
		"its migration wildcard": {files: ca.files(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"*.example"} }), migration: "b.example", ok: true},
		"its UUID and address":   {files: ca.files(withUUID(string(hostB))), ok: true},
		"another CA":             {files: otherCA.files(nil)},
		"another name":           {files: ca.files(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"c.example"} }), migration: "b.example"},
		"another address":        {files: ca.files(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 9)} })},
		"another UUID":           {files: ca.files(withUUID(string(hostC)))},
	} {
		t.Run(name, func(t *testing.T) {
			h := unreachable(t)
			if server.ok {
				h = &host{}
			}
			_, endpoint := serve(t, peer.ServerOptions{Handler: h, Certificates: certificates(t, server.files)})
			endpoint.Migration = server.migration
			c := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))})
			_, err := c.Reserve(t.Context(), endpoint, reservation())
			if server.ok && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !server.ok && peer.ReasonOf(err) != policy.Unauthorized {
				t.Errorf("got %v, want unauthorized", err)
			}
		})
	}
}

// Two hosts that claim one address do not share a connection: what was verified
// for the one says nothing about the other.
func TestConnectionsBelongToOneHost(t *testing.T) {
	ca := newAuthority(t)
	_, endpoint := serve(t, peer.ServerOptions{Certificates: certificates(t, ca.files(withUUID(string(hostB))))})
	c := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))})
	must(t, c.Renew(t.Context(), endpoint, hostB, op))
	if err := c.Renew(t.Context(), endpoint, hostC, op); err == nil || !strings.Contains(err.Error(), "is that of host") {
		t.Errorf("asked the host at the same address: %v", err)
	}
}

// A server tells who asks for another host so, and does not answer for it.
func TestMisdirectedRequestsAreRefused(t *testing.T) {
	ca := newAuthority(t)
	s, endpoint := serve(t, peer.ServerOptions{Certificates: certificates(t, ca.files(nil))})
	c := client(t, peer.ClientOptions{Certificates: certificates(t, ca.files(nil))})
	err := c.Renew(t.Context(), endpoint, hostC, op)
	if peer.ReasonOf(err) != policy.Unauthorized || s.Refused(peer.RefusedMisdirected) != 1 {
		t.Errorf("got %v", err)
	}
}

// Raw TLS: what a client without certificate, with an expired one, with one for
// servers only, or with old TLS or HTTP/1.1 gets to see.
func TestHandshakes(t *testing.T) {
	ca := newAuthority(t)
	s, endpoint := serve(t, peer.ServerOptions{Handler: unreachable(t), Certificates: certificates(t, ca.files(nil))})
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	pair := func(change func(*x509.Certificate)) []tls.Certificate {
		c, k := ca.issue(change)
		p, err := tls.X509KeyPair(c, k)
		must(t, err)
		return []tls.Certificate{p}
	}
	for name, config := range map[string]*tls.Config{
		"no certificate": {},
		"expired":        {Certificates: pair(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
		"not yet valid":  {Certificates: pair(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })},
		"for servers":    {Certificates: pair(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })},
		"TLS 1.2":        {Certificates: pair(nil), MaxVersion: tls.VersionTLS12},
		"HTTP/1.1":       {Certificates: pair(nil), NextProtos: []string{"http/1.1"}},
		"no ALPN":        {Certificates: pair(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.Refused(peer.RefusedHandshake)
			config.RootCAs = roots
			if config.NextProtos == nil && name != "no ALPN" {
				config.NextProtos = []string{"h2"}
			}
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", endpoint.Peer, config)
			if err == nil { // with TLS 1.3 a client hears of it when it reads
				must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
				for err == nil {
					_, err = conn.Read(make([]byte, 1))
				}
				must(t, conn.Close())
			}
			if !strings.Contains(err.Error(), "remote error: tls") {
				t.Errorf("got %v, want an alert", err)
			}
			eventually(t, "counted", func() bool { return s.Refused(peer.RefusedHandshake) == before+1 })
		})
	}
}

// In clear text, too, HTTP/1.1 gets no answer to a call.
func TestOnlyHTTP2IsSpoken(t *testing.T) {
	_, endpoint := serve(t, peer.ServerOptions{Handler: unreachable(t), Insecure: true})
	conn, err := net.DialTimeout("tcp", endpoint.Peer, 10*time.Second)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = conn.Write([]byte("POST /v1/renew HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n"))
	must(t, err)
	answer, err := io.ReadAll(conn)
	t.Logf("answer %q, %v", answer, err) // a reset is as good as an end
	if strings.Contains(string(answer), " 200 ") {
		t.Errorf("answered %q", answer)
	}
}

// Renewed certificates, a revocation and a new CA take effect without a
// restart, also on connections that are open. Files that are not usable change
// nothing and are said so.
func TestFilesAreReadAgain(t *testing.T) {
	ca, next := newAuthority(t), newAuthority(t)
	serverFiles, clientFiles := ca.files(nil), ca.files(nil)
	serverFiles.CRL = serverFiles.CA + ".crl"
	write(t, serverFiles.CRL, ca.revoke(ca.files(nil).Cert))
	var l logged
	own, err := peer.NewCertificates(peer.CertificateOptions{Files: serverFiles, Log: l.logger()})
	must(t, err)
	s, endpoint := serve(t, peer.ServerOptions{Certificates: own})
	c := client(t, peer.ClientOptions{Certificates: certificates(t, clientFiles)})
	ask := func() error { return c.Renew(t.Context(), endpoint, hostB, op) }
	must(t, ask())

	write(t, serverFiles.CRL, ca.revoke(clientFiles.Cert))
	if err := ask(); err == nil || !strings.Contains(err.Error(), "revoked") || s.Refused(peer.RefusedIdentity) != 1 {
		t.Errorf("revoked, on an open connection: %v", err)
	}
	ca.rewrite(clientFiles, nil)
	if err := ask(); err != nil {
		t.Errorf("client's certificate renewed: %v", err)
	}
	write(t, serverFiles.Key, []byte("half"))
	if err := ask(); err != nil || !strings.Contains(l.String(), "the old ones stay in force") {
		t.Errorf("server's key half written: %v, log %s", err, l.String())
	}
	expires := time.Now().Add(30 * time.Minute)
	ca.rewrite(serverFiles, func(c *x509.Certificate) { c.NotAfter = expires })
	if err := ask(); err != nil || own.Expires().Sub(expires).Abs() > time.Second {
		t.Errorf("server's certificate renewed: %v, expires %v", err, own.Expires())
	}
	write(t, serverFiles.CRL, next.revoke(clientFiles.Cert))
	next.rewrite(serverFiles, nil)
	if err := ask(); policy.Unauthorized != peer.ReasonOf(err) {
		t.Errorf("the server has changed its CA, on an open connection: %v", err)
	}
	next.rewrite(clientFiles, nil)
	if err := ask(); err != nil {
		t.Errorf("the client has followed: %v", err)
	}
}

// What the files lack is said once, with the key, the path and the remedy.
func TestFaultsOfFiles(t *testing.T) {
	ca, otherCA := newAuthority(t), newAuthority(t)
	serverOnly := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	for name, fault := range map[string]struct {
		change func(*x509.Certificate)
		spoil  func(*peer.Files)
		want   []string
	}{
		"no CA":         {spoil: func(f *peer.Files) { must(t, os.Remove(f.CA)) }, want: []string{"peer.ca_file: ", "cacert.pem does not exist: create it", "peer.insecure = true"}},
		"not set":       {spoil: func(f *peer.Files) { f.Cert = "" }, want: []string{"peer.cert_file is not set"}},
		"no key":        {spoil: func(f *peer.Files) { must(t, os.Remove(f.Key)) }, want: []string{"peer.key_file: ", "serverkey.pem does not exist"}},
		"a directory":   {spoil: func(f *peer.Files) { f.Cert = t.TempDir() }, want: []string{"peer.cert_file: ", "is a directory"}},
		"garbage":       {spoil: func(f *peer.Files) { write(t, f.Cert, []byte("hello")) }, want: []string{"peer.cert_file: ", "holds no certificate"}},
		"huge":          {spoil: func(f *peer.Files) { write(t, f.Cert, make([]byte, 2<<20)) }, want: []string{"more than 1 MiB"}},
		"CA is a host":  {spoil: func(f *peer.Files) { f.CA = f.Cert }, want: []string{"peer.ca_file: ", "no CA's"}},
		"another CA":    {spoil: func(f *peer.Files) { write(t, f.CA, otherCA.pem()) }, want: []string{"peer.cert_file: ", "refused by the other hosts", "unknown authority"}},
		"another key":   {spoil: func(f *peer.Files) { f.Key = ca.files(nil).Key }, want: []string{"peer.key_file: ", "is not the key of"}},
		"expired":       {change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, want: []string{"peer.cert_file: ", "expired on ", "issued again"}},
		"not yet":       {change: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, want: []string{"is not valid before", "check the clock"}},
		"CN only":       {change: func(c *x509.Certificate) { c.IPAddresses = nil }, want: []string{"only a common name", "dns_name"}},
		"for clients":   {change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, want: []string{"peer.cert_file: ", "not permitted for this use"}},
		"for servers":   {change: serverOnly, want: []string{"peer.cert_file: ", "is for servers only", "peer.client_cert_file: ", "clientcert.pem does not exist"}},
		"no CRL":        {spoil: func(f *peer.Files) { f.CRL = f.CA + ".crl" }, want: []string{"peer.crl_file: ", "does not exist"}},
		"CRL of others": {spoil: func(f *peer.Files) { f.CRL = f.CA + ".crl"; write(t, f.CRL, otherCA.revoke(f.Cert)) }, want: []string{"peer.crl_file: ", "not signed by the CA"}},
		"revoked":       {spoil: func(f *peer.Files) { f.CRL = f.CA + ".crl"; write(t, f.CRL, ca.revoke(f.Cert)) }, want: []string{"peer.cert_file: ", "is revoked"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := ca.files(fault.change)
			if fault.spoil != nil {
				fault.spoil(&f)
			}
			_, err := peer.NewCertificates(peer.CertificateOptions{Files: f})
			for _, want := range fault.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got %v, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}
