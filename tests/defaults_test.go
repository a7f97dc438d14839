package tests

import (
	"testing"

	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/peer"
)

// Packages that may not import one another agree on these by writing them
// twice.
func TestDefaultsAgree(t *testing.T) {
	c := config.Default()
	if got := c.Gossip.Listen.Port(); got != gossip.DefaultPort {
		t.Errorf("gossip listens on %d and looks for others on %d", got, gossip.DefaultPort)
	}
	p := c.Peer
	files := peer.Files{
		CA: p.CAFile, CRL: p.CRLFile, Cert: p.CertFile, Key: p.KeyFile,
		ClientCert: p.ClientCertFile, ClientKey: p.ClientKeyFile,
	}
	if want := peer.LibvirtFiles(); files != want {
		t.Errorf("certificates at %+v, libvirt's at %+v", files, want)
	}
}
