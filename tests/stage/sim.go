package stage

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/virtbalance/virtbalance/balancer/api"
)

// World describes the simulated hosts, for virtbalanced --hypervisor sim:.
//
//go:embed world.json
var World []byte

// SimHosts are the hosts of the simulated world.
var SimHosts = []string{"h1", "h2", "h3"}

// OnSim configures a daemon for each host of a simulated world, and starts
// none. The daemon of h1, the first, serves the world to the others; domain
// web1 of that host turns hot after 15 s.
func OnSim(dir, binary string, s Settings) ([]*Daemon, error) {
	key := filepath.Join(dir, "gossip.key")
	if err := writeKey(key); err != nil {
		return nil, err
	}
	world := World
	if s.World != nil {
		world = s.World
	}
	worldFile := filepath.Join(dir, "world.json")
	if err := os.WriteFile(worldFile, world, 0o600); err != nil {
		return nil, err
	}
	ports, err := FreePorts(4 * len(SimHosts))
	if err != nil {
		return nil, err
	}
	port := func(i, n int) string { return ports[4*i+n] }
	var daemons []*Daemon
	for i, host := range SimHosts {
		home := filepath.Join(dir, host)
		socket := filepath.Join(home, "api.sock")
		config, err := s.write(place{
			host: host, dir: home, socket: socket, key: key,
			gossip: port(i, 0), peer: port(i, 1), metrics: port(i, 2), page: port(i, 3), join: []string{port(0, 0), port(1, 0)},
			peerSection: "insecure = true\n",
		})
		if err != nil {
			return nil, err
		}
		url := fmt.Sprintf("sim:unix:%s?host=%s", filepath.Join(dir, "world.sock"), host)
		if i == 0 {
			url += "&serve=true&world=" + worldFile
		}
		daemons = append(daemons, &Daemon{
			Host: host, Dir: home, Metrics: port(i, 2), Page: port(i, 3), Client: api.NewClient(socket), config: config,
			args: []string{binary, "--config", config, "--hypervisor", url},
			start: func(_ string, args ...string) (process, error) {
				return startLocal(filepath.Join(home, "log"), args)
			},
		})
	}
	return daemons, nil
}

// FreePorts finds addresses of the loopback that nobody listens on. They are
// free again when it returns.
func FreePorts(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}

// local is a process on this machine.
type local struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

func startLocal(log string, args []string) (*local, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the child has it
	p := &local{cmd: exec.Command(args[0], args[1:]...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing outlives the stage
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

func (p *local) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }
func (p *local) Done() <-chan struct{}           { return p.done }

func (p *local) Kill(ctx context.Context) error {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *local) Text() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
