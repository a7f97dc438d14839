package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Authority is a throw-away certificate authority. Each lab has one; a test
// that wants a certificate nobody should trust makes another.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Certificate says what to certify. The zero values of the times mean "from an
// hour ago" and "for 30 days".
type Certificate struct {
	// CommonName is the subject. DNSNames, Addresses and URIs are its
	// alternative names.
	CommonName string
	DNSNames   []string
	Addresses  []net.IP
	URIs       []*url.URL

	NotBefore, NotAfter time.Time
	// Usage defaults to both server and client.
	Usage []x509.ExtKeyUsage
}

// KeyPair is a certificate and its private key, in PEM.
type KeyPair struct{ Cert, Key []byte }

// NewAuthority makes a certificate authority of the given name.
func NewAuthority(name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(0, 0, 30),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{cert, key}, err
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return pemBlock("CERTIFICATE", a.cert.Raw) }

// Issue makes a key and certifies it.
func (a *Authority) Issue(c Certificate) (KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return KeyPair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return KeyPair{}, err
	}
	setDefault(&c.NotBefore, time.Now().Add(-time.Hour))
	setDefault(&c.NotAfter, time.Now().AddDate(0, 0, 30))
	if c.Usage == nil {
		c.Usage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: c.CommonName},
		DNSNames:     c.DNSNames, IPAddresses: c.Addresses, URIs: c.URIs,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		BasicConstraintsValid: true,
		// GnuTLS, which is libvirt's and QEMU's, wants both.
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: c.Usage,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return KeyPair{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	return KeyPair{pemBlock("CERTIFICATE", der), pemBlock("PRIVATE KEY", keyDER)}, err
}

// Install writes a key pair and the authority's certificate into a directory,
// under all the names by which libvirtd, libvirt's clients (pkipath=) and QEMU
// (default_tls_x509_cert_dir) look for theirs: one pair serves as all.
func (a *Authority) Install(dir string, k KeyPair) error {
	files := map[string][]byte{"cacert.pem": a.PEM(), "ca-cert.pem": a.PEM()}
	for _, prefix := range []string{"server", "client", "server-", "client-"} {
		files[prefix+"cert.pem"] = k.Cert
		files[prefix+"key.pem"] = k.Key
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// HostCertificate is what the lab certifies for one of its hosts: its name, its
// address, and its host UUID as urn:uuid:....
func (h *Host) HostCertificate() Certificate {
	return Certificate{
		CommonName: h.Name,
		DNSNames:   []string{h.Name},
		Addresses:  []net.IP{net.ParseIP(h.Address)},
		URIs:       []*url.URL{{Scheme: "urn", Opaque: "uuid:" + h.UUID}},
	}
}

// writeCertificates gives a new host its key pair.
func (h *Host) writeCertificates() error {
	dir := h.root(h.PKI())
	if _, err := os.Stat(filepath.Join(dir, "servercert.pem")); err == nil {
		return nil
	}
	pair, err := h.lab.authority.Issue(h.HostCertificate())
	if err != nil {
		return err
	}
	return h.lab.authority.Install(dir, pair)
}

// loadAuthority reads the authority that saveAuthority wrote.
func loadAuthority(dir string) (*Authority, error) {
	cert, err := readPEM(filepath.Join(dir, "cacert.pem"))
	if err != nil {
		return nil, err
	}
	keyDER, err := readPEM(filepath.Join(dir, "cakey.pem"))
	if err != nil {
		return nil, err
	}
	a := &Authority{}
	if a.cert, err = x509.ParseCertificate(cert); err != nil {
		return nil, err
	}
	a.key, err = x509.ParseECPrivateKey(keyDER)
	return a, err
}

func (a *Authority) save(dir string) error {
	key, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "cakey.pem"), pemBlock("EC PRIVATE KEY", key), 0o600),
		os.WriteFile(filepath.Join(dir, "cacert.pem"), a.PEM(), 0o644),
	)
}

func readPEM(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM in it", path)
	}
	return block.Bytes, nil
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
