package stage

import (
	"path/filepath"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/tests/lab"
)

// OnLab configures a daemon on every host of a lab, and starts none. binary is
// the path of virtbalanced.
func OnLab(l *lab.Lab, binary string, s Settings) ([]*Daemon, error) {
	key := filepath.Join(l.Dir(), "gossip.key")
	if err := writeKey(key); err != nil {
		return nil, err
	}
	var join []string
	for _, h := range l.Hosts() {
		join = append(join, h.Address+":17450")
	}
	var daemons []*Daemon
	for _, h := range l.Hosts() {
		dir := filepath.Join(h.StateDir(), "virtbalanced")
		socket := filepath.Join(dir, "api.sock")
		pki := h.PKI()
		config, err := s.write(place{
			host: h.Name, dir: dir, socket: socket, key: key,
			gossip: "0.0.0.0:17450", peer: "0.0.0.0:17451", metrics: "0.0.0.0:17452", page: "0.0.0.0:17453",
			advertise: h.Address + ":17450", join: join,
			capacity: float64(l.Options().Capacity) / 100,
			libvirt:  "migrate_uri = \"qemu+tcp://{host}/system\"\nmigration_address = \"" + h.Address + "\"\n",
			peerSection: "ca_file = \"" + pki + "/cacert.pem\"\n" +
				"cert_file = \"" + pki + "/servercert.pem\"\n" +
				"key_file = \"" + pki + "/serverkey.pem\"\n",
		})
		if err != nil {
			return nil, err
		}
		daemons = append(daemons, &Daemon{
			Host: h.Name, Dir: dir, Metrics: h.Address + ":17452", Page: h.Address + ":17453", Client: api.NewClient(socket), config: config,
			args: []string{binary, "--config", config},
			start: func(name string, args ...string) (process, error) {
				return h.Start(name, args...)
			},
		})
	}
	return daemons, nil
}
