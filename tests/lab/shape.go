package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Shape is what a bad network does to the packets of a host, in each direction.
type Shape struct {
	// Delay is added to every packet, give or take a random part of Jitter;
	// packets keep their order.
	Delay, Jitter time.Duration
	// Loss is the fraction of packets lost, 0 to 1.
	Loss float64
	// Seed makes the losses and jitter the same each time; 0 is a seed too.
	Seed uint64
}

// Shaping is a shaped cable. Its counters tell what it did.
type Shaping struct {
	// Passed and Lost count packets, both directions together. A "packet" may
	// be a run of TCP segments that the kernel has not cut up yet.
	Passed, Lost atomic.Int64

	host  *Host
	ports []*os.File
	wg    sync.WaitGroup
}

// Shape makes the host's cable slow and lossy until Stop is called, or the host
// loses its power. It is done here rather than by the kernel's netem, which not
// every kernel has: the cable is taken off the bridge, and this program passes
// the packets on. If it ends without Stop, the host is cut off.
func (h *Host) Shape(s Shape) (*Shaping, error) {
	if s.Loss < 0 || s.Loss > 1 || s.Delay < 0 || s.Jitter < 0 {
		return nil, fmt.Errorf("shape of %s: %+v: loss must be from 0 to 1, times 0 or more", h.Name, s)
	}
	machine, ok := h.lab.machine.init()
	if !ok {
		return nil, errors.New("the machine is off")
	}
	inner, outer := h.Name+"-in", h.Name+"-out" // ends of a second cable; outer is on the bridge
	err := ip(machine,
		fmt.Sprintf("link add %s type veth peer name %s", inner, outer),
		fmt.Sprintf("link set %s nomaster", h.Name),
		fmt.Sprintf("link set %s up", inner),
		fmt.Sprintf("link set %s master br0 up", outer),
	)
	if err != nil {
		return nil, fmt.Errorf("shape of %s: %w", h.Name, err)
	}
	sh := &Shaping{host: h}
	err = inNamespaces(machine, unix.CLONE_NEWNET, func() error {
		for _, name := range []string{h.Name, inner} {
			port, err := openPort(name)
			if err != nil {
				return err
			}
			sh.ports = append(sh.ports, port)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shape of %s: %w", h.Name, err), sh.Stop())
	}
	sh.carry(sh.ports[0], sh.ports[1], s, 1)
	sh.carry(sh.ports[1], sh.ports[0], s, 2)
	return sh, nil
}

// Stop makes the cable an ordinary one again.
func (sh *Shaping) Stop() error {
	for _, p := range sh.ports {
		p.Close()
	}
	sh.wg.Wait()
	machine, ok := sh.host.lab.machine.init()
	if !ok {
		return nil
	}
	err := ip(machine, "link del "+sh.host.Name+"-in")
	if sh.host.Running() {
		err = errors.Join(err, ip(machine, fmt.Sprintf("link set %s master br0", sh.host.Name)))
	}
	return err
}

// openPort opens a network device for whole frames (packet(7)). Each comes with
// the header that says what the kernel has left undone, cutting up and check
// sums, so that the other end can be told to leave it undone, too.
func openPort(name string) (*os.File, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	const protocols = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocols, Ifindex: device.Index}),
	)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("packet socket on %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// carry passes packets on in one direction until the ports are closed.
func (sh *Shaping) carry(from, to *os.File, s Shape, direction uint64) {
	type packet struct {
		data []byte
		due  time.Time
	}
	queue := make(chan packet, 4096) // what does not fit is lost, as in any router
	sh.wg.Go(func() {
		defer close(queue)
		random := rand.New(rand.NewPCG(s.Seed, direction))
		buffer := make([]byte, 1<<17)
		var last time.Time
		for {
			n, err := from.Read(buffer)
			if errors.Is(err, unix.ENETDOWN) { // the cable was pulled out for now
				time.Sleep(10 * time.Millisecond)
				continue
			}
			if err != nil {
				return
			}
			due := time.Now().Add(s.Delay)
			if s.Jitter > 0 {
				due = due.Add(time.Duration(random.Int64N(int64(2*s.Jitter))) - s.Jitter)
			}
			if due.Before(last) {
				due = last
			}
			last = due
			if random.Float64() < s.Loss {
				sh.Lost.Add(1)
				continue
			}
			select {
			case queue <- packet{append([]byte(nil), buffer[:n]...), due}:
			default:
				sh.Lost.Add(1)
			}
		}
	})
	sh.wg.Go(func() {
		for p := range queue {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err == nil {
				sh.Passed.Add(1)
			}
		}
	})
}
