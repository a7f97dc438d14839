package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/peer"
)

// certificates reads this host's certificates; nil where peer.insecure is set.
func certificates(p config.Peer, log *slog.Logger) (*peer.Certificates, error) {
	if p.Insecure {
		return nil, nil //nolint:nilnil // insecure means none
	}
	files := peer.Files{
		CA: p.CAFile, CRL: p.CRLFile, Cert: p.CertFile, Key: p.KeyFile,
		ClientCert: p.ClientCertFile, ClientKey: p.ClientKeyFile,
	}
	return peer.NewCertificates(peer.CertificateOptions{
		Files: files.WithCredentials(os.Getenv("CREDENTIALS_DIRECTORY")), Log: log,
	})
}

// checkFiles reads what the configuration names, and returns every fault.
func checkFiles(cfg config.Config) error {
	_, keys := cfg.GossipKeys(os.Getenv)
	_, certs := certificates(cfg.Peer, nil)
	return errors.Join(keys, certs)
}
