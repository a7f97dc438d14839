package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := selfSigned(t)
	_, otherKey := selfSigned(t)

	c := Default()
	c.Host.Proc = dir
	c.Gossip.KeyFile = write("gossip.key", []byte(base64.StdEncoding.EncodeToString(testKey(1))))
	c.Peer.CAFile = write("ca.pem", cert)
	c.Peer.CertFile = write("cert.pem", cert)
	c.Peer.KeyFile = write("key.pem", key)
	if err := c.CheckFiles(noEnv); err != nil {
		t.Errorf("good files: %v", err)
	}

	bad := c
	bad.Host.Proc = filepath.Join(dir, "none")
	bad.Gossip.KeyFile = filepath.Join(dir, "none")
	bad.Peer.CAFile = write("noca.pem", []byte("hello"))
	bad.Peer.KeyFile = write("other.pem", otherKey)
	err := bad.CheckFiles(noEnv)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`gossip.key_file ("` + bad.Gossip.KeyFile + `"): no such file; make one with`,
		`peer.ca_file ("` + bad.Peer.CAFile + `"): no certificate in PEM form`,
		`private key does not match public key`,
		`host.proc ("` + bad.Host.Proc + `"): not a directory`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}

	absent := c
	absent.Peer.CAFile, absent.Peer.CertFile, absent.Peer.KeyFile = dir+"/1", dir+"/2", dir+"/3"
	if err := absent.CheckFiles(noEnv); err == nil || strings.Count(err.Error(), "no such file or directory") != 3 {
		t.Errorf("absent certificates: %v", err)
	}
	absent.Peer.Insecure = true
	if err := absent.CheckFiles(noEnv); err != nil {
		t.Errorf("insecure needs no certificates: %v", err)
	}
}

func selfSigned(t *testing.T) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
