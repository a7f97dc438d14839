package lab

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"
)

// handshake lets two parties meet that each trust the authority.
func handshake(t *testing.T, trusted *Authority, server, client KeyPair) (serverSees *x509.Certificate, err error) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted.PEM())
	config := func(k KeyPair) *tls.Config {
		pair, err := tls.X509KeyPair(k.Cert, k.Key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{
			Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool,
			ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "h1",
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s, c := tls.Server(a, config(server)), tls.Client(b, config(client))
	failed := make(chan error, 1)
	go func() {
		// With TLS 1.3 a client is done before the server has looked at its
		// certificate; whether that was good shows in the first byte.
		_, err := c.Read(make([]byte, 1))
		failed <- err
	}()
	_, err = s.Write([]byte("x"))
	a.Close()
	if clientErr := <-failed; err == nil {
		err = clientErr
	}
	if err != nil {
		return nil, err
	}
	return s.ConnectionState().PeerCertificates[0], nil
}

func TestCertificates(t *testing.T) {
	ca, err := NewAuthority("test CA")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority("other CA")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := ca.save(dir); err != nil {
		t.Fatal(err)
	}
	if ca, err = loadAuthority(dir); err != nil {
		t.Fatal(err)
	}
	l := &Lab{opts: Options{Name: "test"}}
	h1, h2 := newHost(l, 1), newHost(l, 2)
	issue := func(a *Authority, c Certificate) KeyPair {
		t.Helper()
		k, err := a.Issue(c)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	expired := h2.HostCertificate()
	expired.NotBefore, expired.NotAfter = time.Now().AddDate(0, 0, -2), time.Now().AddDate(0, 0, -1)
	good := issue(ca, h1.HostCertificate())

	sees, err := handshake(t, ca, good, issue(ca, h2.HostCertificate()))
	if err != nil {
		t.Fatal(err)
	}
	if len(sees.URIs) != 1 || sees.URIs[0].String() != "urn:uuid:"+h2.UUID {
		t.Errorf("h1 sees a host with %v, want urn:uuid:%s", sees.URIs, h2.UUID)
	}
	for name, client := range map[string]KeyPair{
		"another authority's": issue(other, h2.HostCertificate()),
		"an expired":          issue(ca, expired),
	} {
		if _, err := handshake(t, ca, good, client); err == nil {
			t.Errorf("%s certificate was accepted", name)
		}
	}
	if _, err := handshake(t, ca, issue(ca, h2.HostCertificate()), good); err == nil {
		t.Error("h2's certificate was accepted for h1")
	}
}
