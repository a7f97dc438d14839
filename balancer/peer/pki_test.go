package peer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
)

// authority is a throw-away CA.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber:          serial(t),
		Subject:               pkix.Name{CommonName: "throw-away CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(der)
	must(t, err)
	return a
}

// issue makes a host's certificate; change alters it before it is signed. The
// default is for the loopback address and both uses.
func (a *authority) issue(change func(*x509.Certificate)) (certPEM, keyPEM []byte) {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: serial(a.t),
		Subject:      pkix.Name{CommonName: "host"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(a.t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// files writes the CA and a certificate to a new directory.
func (a *authority) files(change func(*x509.Certificate)) peer.Files {
	a.t.Helper()
	dir := a.t.TempDir()
	f := peer.Files{
		CA:         filepath.Join(dir, "cacert.pem"),
		Cert:       filepath.Join(dir, "servercert.pem"),
		Key:        filepath.Join(dir, "serverkey.pem"),
		ClientCert: filepath.Join(dir, "clientcert.pem"),
		ClientKey:  filepath.Join(dir, "clientkey.pem"),
	}
	a.rewrite(f, change)
	return f
}

// rewrite issues a new certificate into the same files.
func (a *authority) rewrite(f peer.Files, change func(*x509.Certificate)) {
	a.t.Helper()
	cert, key := a.issue(change)
	write(a.t, f.CA, a.pem())
	write(a.t, f.Cert, cert)
	write(a.t, f.Key, key)
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// revoke returns a list that revokes the certificate in a PEM file.
func (a *authority) revoke(path string) []byte {
	a.t.Helper()
	data, err := os.ReadFile(path)
	must(a.t, err)
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	must(a.t, err)
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number:     big.NewInt(1),
		ThisUpdate: time.Now().Add(-time.Hour),
		NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: cert.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)},
		},
	}, a.cert, a.key)
	must(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func withUUID(id string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.URIs = []*url.URL{{Scheme: "urn", Opaque: "uuid:" + id}}
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(t, err)
	return n
}

// write replaces a file as a careful administrator does.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	next := path + ".new"
	must(t, os.WriteFile(next, data, 0o600))
	must(t, os.Rename(next, path))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
