package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// CheckFiles returns every fault of the files that the configuration names: the
// gossip keys, the certificates of the peer RPC and the proc file system. The
// directories of state and socket are not among them: systemd makes them when
// the service starts. getenv is os.Getenv or stands for it.
func (c Config) CheckFiles(getenv func(string) string) error {
	_, err := c.GossipKeys(getenv)
	errs := []error{err, c.Peer.checkFiles(getenv)}
	if info, err := os.Stat(c.Host.Proc); err != nil || !info.IsDir() {
		errs = append(errs, fmt.Errorf("host.proc (%q): not a directory", c.Host.Proc))
	}
	return errors.Join(errs...)
}

// checkFiles loads the certificates as the peer RPC will.
func (p Peer) checkFiles(getenv func(string) string) error {
	if p.Insecure {
		return nil
	}
	const hint = "the libvirt PKI has them, see libvirt.org/kbase/tlscerts.html; without them set peer.insecure = true"
	var errs []error
	ca, err := os.ReadFile(p.CAFile)
	if err != nil {
		errs = append(errs, fmt.Errorf("peer.ca_file (%q): %w; %s", p.CAFile, cause(err), hint))
	} else if !x509.NewCertPool().AppendCertsFromPEM(ca) {
		errs = append(errs, fmt.Errorf("peer.ca_file (%q): no certificate in PEM form", p.CAFile))
	}
	keyFile := p.KeyPath(getenv)
	cert, err := os.ReadFile(p.CertFile)
	if err != nil {
		errs = append(errs, fmt.Errorf("peer.cert_file (%q): %w; %s", p.CertFile, cause(err), hint))
	}
	key, keyErr := os.ReadFile(keyFile)
	if keyErr != nil {
		errs = append(errs, fmt.Errorf("peer.key_file (%q): %w; %s", keyFile, cause(keyErr), hint))
	}
	if err == nil && keyErr == nil {
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			errs = append(errs, fmt.Errorf("peer.cert_file (%q) with peer.key_file (%q): %w", p.CertFile, keyFile, err))
		}
	}
	return errors.Join(errs...)
}

// cause takes the path out of a file error that will be named anyway.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
