package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificates are this host's certificates and the CA it believes. The files
// are looked at again on every use: renewing or revoking needs no restart.
type Certificates struct {
	files Files
	log   *slog.Logger

	mu     sync.Mutex
	loaded *material
	stamps [6]stamp
	// retry is when files that could not be used are tried again though they
	// look the same: a certificate may have been valid a moment too late.
	retry time.Time
}

// stamp changes when a file does.
type stamp struct {
	modified time.Time
	size     int64
	info     os.FileInfo
}

// CertificateOptions make Certificates.
type CertificateOptions struct {
	Files Files
	Log   *slog.Logger
}

// NewCertificates reads the files. The error names the configuration key, the
// path and what to do.
func NewCertificates(o CertificateOptions) (*Certificates, error) {
	c := &Certificates{files: o.Files, log: o.Log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.stamps = c.look()
	var err error
	c.loaded, err = load(c.files, time.Now())
	return c, err
}

// Expires is when the first of this host's own certificates does.
func (c *Certificates) Expires() time.Time { return c.current().expires }

// current is the material of the files as they are now. Files that cannot be
// used (a renewal half written, say) leave the last good material in force
// until they change again.
func (c *Certificates) current() *material {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps := c.look()
	now := time.Now()
	due := !c.retry.IsZero() && now.After(c.retry)
	if !due && !changed(stamps, c.stamps) {
		return c.loaded
	}
	c.stamps, c.retry = stamps, time.Time{}
	m, err := load(c.files, now)
	if err != nil {
		c.retry = now.Add(time.Minute)
		c.log.Error("changed certificates are not usable, the old ones stay in force", "err", err)
		return c.loaded
	}
	c.loaded = m
	c.log.Info("certificates read again", "expires", m.expires)
	return m
}

func (c *Certificates) look() [6]stamp {
	var stamps [6]stamp
	for i, path := range []string{c.files.CA, c.files.CRL, c.files.Cert, c.files.Key, c.files.ClientCert, c.files.ClientKey} {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size(), info}
		}
	}
	return stamps
}

func changed(a, b [6]stamp) bool {
	for i := range a {
		switch {
		case !a[i].modified.Equal(b[i].modified), a[i].size != b[i].size, (a[i].info == nil) != (b[i].info == nil):
			return true
		case a[i].info != nil && !os.SameFile(a[i].info, b[i].info):
			return true
		}
	}
	return false
}

// verify checks a chain, leaf first, against the CA and the revocation list,
// and returns until when it holds.
func (m *material) verify(chain []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time) (time.Time, error) {
	if len(chain) == 0 {
		return time.Time{}, errors.New("no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	verified, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         m.roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return time.Time{}, err
	}
	until := chain[0].NotAfter
	for _, cert := range verified[0] {
		if m.revoked[string(cert.RawIssuer)+cert.SerialNumber.String()] {
			return time.Time{}, fmt.Errorf("certificate %x is revoked", cert.SerialNumber)
		}
		if cert.NotAfter.Before(until) {
			until = cert.NotAfter
		}
	}
	return until, nil
}

// verification is that a client's chain was found good, by which material and
// until when.
type verification struct {
	by    *material
	until time.Time
}

// stands reports whether verifying again would find the same.
func (v *verification) stands(c *Certificates) bool {
	return v != nil && v.by == c.current() && time.Now().Before(v.until)
}

func (c *Certificates) verifyClient(chain []*x509.Certificate) (*verification, error) {
	m := c.current()
	until, err := m.verify(chain, x509.ExtKeyUsageClientAuth, time.Now())
	if err != nil {
		return nil, err
	}
	return &verification{m, until}, nil
}

// serverConfig asks every client for a certificate of the CA, with the files as
// they are at that moment.
func (c *Certificates) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			m := c.current()
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				Certificates: []tls.Certificate{m.server},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    m.roots,
				NextProtos:   []string{"h2"},
				// A resumed session would skip the check of the certificate.
				SessionTicketsDisabled: true,
				VerifyConnection: func(s tls.ConnectionState) error {
					// crypto/tls lets clients without ALPN or for HTTP/1.1 pass.
					if s.NegotiatedProtocol != "h2" {
						return errors.New("the client does not speak HTTP/2")
					}
					_, err := m.verify(s.PeerCertificates, x509.ExtKeyUsageClientAuth, time.Now())
					return err
				},
			}, nil
		},
		// net/http insists on a certificate here; the one above is used.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.current().server, nil },
	}
}

// clientConfig is for connections to one host, which is reached by any of the
// names: the address of its daemon or the name of its libvirt, for which
// libvirt's own certificates are issued.
//
// The standard check knows only one name. So it is replaced, by the same checks
// with several: without VerifyConnection this configuration would be open.
func (m *material) clientConfig(identify func(*x509.Certificate) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{m.client},
		InsecureSkipVerify: true, //nolint:gosec // verified in VerifyConnection
		VerifyConnection: func(s tls.ConnectionState) error {
			if _, err := m.verify(s.PeerCertificates, x509.ExtKeyUsageServerAuth, time.Now()); err != nil {
				return &certificateError{err}
			}
			if err := identify(s.PeerCertificates[0]); err != nil {
				return &certificateError{err}
			}
			return nil
		},
	}
}

// certificateError is a server that is not who it should be.
type certificateError struct{ err error }

func (e *certificateError) Error() string { return "certificate: " + e.err.Error() }
func (e *certificateError) Unwrap() error { return e.err }
