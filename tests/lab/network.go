package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The lab's network is a bridge in the machine's network namespace with one
// cable (a veth pair) to each host. Every lab has its own, so all of them use
// the same addresses.
const (
	networkPrefix  = "10.77.0."
	machineAddress = networkPrefix + "1"
	bridgeMAC      = "02:77:00:00:01:00"
)

func hostAddress(number int) string { return fmt.Sprintf("%s%d", networkPrefix, 10+number) }

// hostMAC is fixed: were it new after a "power on", the others would go on
// sending to the old one until their ARP entries expire, for minutes.
func hostMAC(number int) string { return fmt.Sprintf("02:77:00:00:00:%02x", number) }

// ip runs commands of ip(8) in the network namespace of a process, one command
// a line, and stops at the first that fails.
func ip(of procID, lines ...string) error {
	return inNamespaces(of, unix.CLONE_NEWNET, func() error {
		cmd := exec.Command(program("ip"), "-batch", "-")
		cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
		// If this program is killed, a late ip must not meddle with what the
		// next "up" does.
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("ip -batch: %w: %s", err, strings.TrimSpace(errOut.String()))
		}
		return nil
	})
}

func plugMachine(init procID) error {
	return ip(init,
		"link set lo up",
		// a bridge without an address of its own borrows, and changes, its ports'
		"link add br0 address "+bridgeMAC+" type bridge",
		"addr add "+machineAddress+"/24 dev br0",
		"link set br0 up",
	)
}

// plug connects a host: eth0 in the host, a port named after it on the bridge.
func (h *Host) plug(init procID) error {
	machine, ok := h.lab.machine.init()
	if !ok {
		return errors.New("the machine is off")
	}
	_ = h.unplug()
	err := ip(machine,
		fmt.Sprintf("link add %s type veth peer name eth0 address %s netns %d", h.Name, hostMAC(h.number), init.PID),
		fmt.Sprintf("link set %s master br0 up", h.Name),
	)
	if err != nil {
		return err
	}
	return ip(init,
		"link set lo up",
		fmt.Sprintf("addr add %s/24 dev eth0", h.Address),
		"link set eth0 up",
	)
}

// unplug takes the cable away for good. The network of a host without power
// lingers while its unclosed TCP connections do, for half a minute and more, and
// would keep the port's name in use.
func (h *Host) unplug() error {
	machine, ok := h.lab.machine.init()
	if !ok {
		return nil
	}
	return ip(machine, "link del "+h.Name)
}

// Cable plugs the host's network cable in, or pulls it out: packets vanish
// without a word, connections stay. As with a real cable it may take a second
// or two before packets pass again.
func (h *Host) Cable(up bool) error {
	machine, ok := h.lab.machine.init()
	if !ok {
		return errors.New("the machine is off")
	}
	state := "down"
	if up {
		state = "up"
	}
	return ip(machine, fmt.Sprintf("link set %s %s", h.Name, state))
}

// ---- who reaches whom ----

// nobodyMAC belongs to no network card.
const nobodyMAC = "02:77:00:00:ff:ff"

// Cut makes everything that one host sends to another vanish, silently, until
// Partition, Heal, or a "power off" of the sender. What the other sends still
// arrives: see Partition for both ways.
//
// The sender gets a wrong notion of the other's hardware address, so its packets
// go to nobody. That takes no packet filter, which not every kernel has.
func (l *Lab) Cut(from, to *Host) error { return l.setReach(from, to, false) }

// Partition splits the network: hosts of different groups do not reach each
// other, those of one group do, and a host in no group is alone. The machine
// reaches all.
func (l *Lab) Partition(groups ...[]*Host) error {
	groupOf := map[*Host]int{}
	for i, g := range groups {
		for _, h := range g {
			groupOf[h] = i + 1
		}
	}
	for _, from := range l.hosts {
		for _, to := range l.hosts {
			if from == to || !from.Running() {
				continue
			}
			together := groupOf[from] != 0 && groupOf[from] == groupOf[to]
			if err := l.setReach(from, to, together); err != nil {
				return err
			}
		}
	}
	return nil
}

// Heal undoes every Cut and Partition.
func (l *Lab) Heal() error { return l.Partition(l.hosts) }

func (l *Lab) setReach(from, to *Host, reach bool) error {
	init, ok := from.init()
	if !ok {
		return fmt.Errorf("%s is off", from.Name)
	}
	// A permanent entry cannot be deleted if it is not there, so the way back
	// is an ordinary one, with the true address, which may expire.
	entry := fmt.Sprintf("neigh replace %s dev eth0 lladdr %s nud permanent", to.Address, nobodyMAC)
	if reach {
		entry = fmt.Sprintf("neigh replace %s dev eth0 lladdr %s nud stale", to.Address, hostMAC(to.number))
	}
	if err := ip(init, entry); err != nil {
		return fmt.Errorf("reach of %s to %s: %w", from.Name, to.Name, err)
	}
	return nil
}
