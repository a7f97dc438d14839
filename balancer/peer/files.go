package peer

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Files are the paths of the PEM files that say who this host is and whom it
// believes.
type Files struct {
	// CA certificates that sign the hosts' certificates.
	CA string
	// CRL is the list of revoked certificates; empty is none.
	CRL string
	// Cert and Key are what this host shows when it is asked, and when it asks
	// if the certificate permits that.
	Cert, Key string
	// ClientCert and ClientKey are shown by a host that asks whose Cert is for
	// servers only.
	ClientCert, ClientKey string
}

// The configuration keys of the files, as errors name them.
const (
	keyCA         = "peer.ca_file"
	keyCRL        = "peer.crl_file"
	keyCert       = "peer.cert_file"
	keyKey        = "peer.key_file"
	keyClientCert = "peer.client_cert_file"
	keyClientKey  = "peer.client_key_file"
)

// LibvirtFiles are the paths at which libvirt itself looks for its PKI
// (https://libvirt.org/kbase/tlscerts.html).
func LibvirtFiles() Files {
	return Files{
		CA:         "/etc/pki/CA/cacert.pem",
		CRL:        "/etc/pki/CA/cacrl.pem",
		Cert:       "/etc/pki/libvirt/servercert.pem",
		Key:        "/etc/pki/libvirt/private/serverkey.pem",
		ClientCert: "/etc/pki/libvirt/clientcert.pem",
		ClientKey:  "/etc/pki/libvirt/private/clientkey.pem",
	}
}

// WithCredentials returns the files with each one replaced that systemd hands
// over in the directory $CREDENTIALS_DIRECTORY, by the names tls.ca, tls.crl,
// tls.cert, tls.key, tls.client-cert and tls.client-key. Blank files there count as
// absent: that is how a unit makes a credential optional.
func (f Files) WithCredentials(directory string) Files {
	if directory == "" {
		return f
	}
	for name, path := range map[string]*string{
		"tls.ca": &f.CA, "tls.crl": &f.CRL, "tls.cert": &f.Cert, "tls.key": &f.Key,
		"tls.client-cert": &f.ClientCert, "tls.client-key": &f.ClientKey,
	} {
		handed := filepath.Join(directory, name)
		if data, err := os.ReadFile(handed); err == nil && len(bytes.TrimSpace(data)) > 0 {
			*path = handed
		}
	}
	return f
}

// material is what one state of the files holds. It does not change.
type material struct {
	roots          *x509.CertPool
	revoked        map[string]bool
	server, client tls.Certificate
	expires        time.Time
}

// load reads the files. Its errors name the key, the path and what to do.
func load(f Files, now time.Time) (*material, error) {
	m := &material{}
	cas, err := readCertificates(keyCA, f.CA)
	if err != nil {
		return nil, err
	}
	m.roots = x509.NewCertPool()
	for _, ca := range cas {
		if !ca.IsCA {
			return nil, fileError(keyCA, f.CA, "holds a certificate that is no CA's", "name the file of the CA that signed the hosts' certificates")
		}
		m.roots.AddCert(ca)
	}
	if m.revoked, err = readRevoked(f.CRL, cas); err != nil {
		return nil, err
	}
	if m.server, err = m.pair(keyCert, f.Cert, keyKey, f.Key, x509.ExtKeyUsageServerAuth, now); err != nil {
		return nil, err
	}
	m.client, m.expires = m.server, m.server.Leaf.NotAfter
	if permits(m.server.Leaf, x509.ExtKeyUsageClientAuth) {
		return m, nil
	}
	m.client, err = m.pair(keyClientCert, f.ClientCert, keyClientKey, f.ClientKey, x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %s is for servers only, so another is needed to ask with: %w", keyCert, f.Cert, err)
	}
	if m.client.Leaf.NotAfter.Before(m.expires) {
		m.expires = m.client.Leaf.NotAfter
	}
	return m, nil
}

// pair reads a certificate with its key and checks that the peers, who have the
// same CA, would accept it.
func (m *material) pair(certKey, certPath, keyKey, keyPath string, usage x509.ExtKeyUsage, now time.Time) (tls.Certificate, error) {
	chain, err := readCertificates(certKey, certPath)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := chain[0]
	const reissue = "have it issued again, as for libvirt's TLS (https://libvirt.org/kbase/tlscerts.html)"
	switch {
	case now.After(leaf.NotAfter):
		return tls.Certificate{}, fileError(certKey, certPath, "expired on "+leaf.NotAfter.UTC().Format(time.DateTime)+" UTC", reissue)
	case now.Before(leaf.NotBefore):
		return tls.Certificate{}, fileError(certKey, certPath, "is not valid before "+leaf.NotBefore.UTC().Format(time.DateTime)+" UTC", "check the clock")
	case !permits(leaf, usage):
		return tls.Certificate{}, fileError(certKey, certPath, "is not permitted for this use by its extended key usage", reissue)
	case len(leaf.DNSNames)+len(leaf.IPAddresses)+len(certifiedIDs(leaf)) == 0:
		return tls.Certificate{}, fileError(certKey, certPath,
			"carries only a common name, which names no host any more", reissue+" with dns_name, ip_address or uri \"urn:uuid:<host UUID>\"")
	}
	keyPEM, err := readFile(keyKey, keyPath)
	if err != nil {
		return tls.Certificate{}, err
	}
	certPEM := []byte{}
	for _, c := range chain {
		certPEM = append(certPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fileError(keyKey, keyPath, "is not the key of "+certPath, "name the two files that belong together")
	}
	pair.Leaf = leaf
	if _, err := m.verify(chain, usage, now); err != nil {
		return tls.Certificate{}, fileError(certKey, certPath, "would be refused by the other hosts ("+err.Error()+")", reissue+" by the CA of "+keyCA)
	}
	return pair, nil
}

// permits reports whether the certificate may be used so. One that does not
// restrict its use may be used for all.
func permits(cert *x509.Certificate, usage x509.ExtKeyUsage) bool {
	return len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 ||
		slices.Contains(cert.ExtKeyUsage, usage) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func readCertificates(key, path string) ([]*x509.Certificate, error) {
	data, err := readFile(key, path)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fileError(key, path, "holds a certificate that cannot be read ("+err.Error()+")", "name a file of PEM certificates")
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, fileError(key, path, "holds no certificate", "name a file of PEM certificates")
	}
	return certs, nil
}

// readRevoked reads the revocation list. As for libvirt, the one at the default
// path need not be there.
func readRevoked(path string, cas []*x509.Certificate) (map[string]bool, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readFile(keyCRL, path)
	if errors.Is(err, fs.ErrNotExist) && path == LibvirtFiles().CRL {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	revoked := make(map[string]bool)
	lists := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fileError(keyCRL, path, "cannot be read ("+err.Error()+")", "name a PEM file made by the CA")
		}
		signed := slices.ContainsFunc(cas, func(ca *x509.Certificate) bool { return list.CheckSignatureFrom(ca) == nil })
		if !signed {
			return nil, fileError(keyCRL, path, "is not signed by the CA of "+keyCA, "name the list that this CA made")
		}
		for _, entry := range list.RevokedCertificateEntries {
			revoked[string(list.RawIssuer)+entry.SerialNumber.String()] = true
		}
		lists++
	}
	if lists == 0 {
		return nil, fileError(keyCRL, path, "holds no revocation list", "name a PEM file made by the CA")
	}
	return revoked, nil
}

// readFile reads a small file.
func readFile(key, path string) ([]byte, error) {
	const sizeMax = 1 << 20
	if path == "" {
		return nil, fmt.Errorf("%s is not set: name a PEM file", key)
	}
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(file, sizeMax+1)); err == nil && len(data) > sizeMax {
			return nil, fileError(key, path, "has more than 1 MiB", "name a PEM file")
		} else if err == nil {
			return data, nil
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &pathError{
			key, path, "does not exist",
			"create it as for libvirt's TLS (https://libvirt.org/kbase/tlscerts.html), or name another, or set peer.insecure = true where everybody on the network is trusted", err,
		}
	case errors.Is(err, fs.ErrPermission):
		return nil, &pathError{
			key, path, "may not be read by this user",
			"hand it over with LoadCredential= (see the comments in virtbalanced.service), or let the group virtbalanced read it", err,
		}
	default:
		return nil, &pathError{key, path, "cannot be read (" + err.Error() + ")", "name a PEM file", err}
	}
}

// pathError is one fault of one file.
type pathError struct {
	key, path, fault, remedy string
	err                      error
}

func (e *pathError) Error() string { return e.key + ": " + e.path + " " + e.fault + ": " + e.remedy }
func (e *pathError) Unwrap() error { return e.err }

func fileError(key, path, fault, remedy string) error {
	return &pathError{key: key, path: path, fault: fault, remedy: remedy}
}
