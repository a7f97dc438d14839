package tests

import (
	"reflect"
	"testing"

	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy/sim"
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

// What the benchmarks call "as installed" is.
func TestSimulatedDaemonsAreAsInstalled(t *testing.T) {
	c, o := config.Default(), sim.DaemonOptions()
	if o.TimeConstant != c.Sampling.TimeConstant || o.Horizon != c.Horizon() || o.SampleEvery != c.Sampling.Interval || o.Period != c.Sampling.Interval {
		t.Errorf("simulated %+v, installed %+v with a horizon of %s", o, c.Sampling, c.Horizon())
	}
	o.Policy.Bandwidth = c.Policy.Bandwidth // the experiment sets it
	if !reflect.DeepEqual(o.Policy, c.Policy) {
		t.Errorf("simulated %+v\ninstalled %+v", o.Policy, c.Policy)
	}
}
