package lab

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Listen listens for TCP connections in the node's network, for this program,
// which is not in it. The address is an IP address and a port.
func (n *Node) Listen(ctx context.Context, address string) (l net.Listener, err error) {
	err = n.inNetwork(address, func() error {
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", address)
		return err
	})
	return l, err
}

// Dial connects this program to a TCP address, an IP address and a port, as if it
// ran on the node.
func (n *Node) Dial(ctx context.Context, address string) (c net.Conn, err error) {
	err = n.inNetwork(address, func() error {
		c, err = new(net.Dialer).DialContext(ctx, "tcp", address)
		return err
	})
	return c, err
}

// inNetwork runs fn, which opens a socket for the address, in the node's network.
// With a name in the address another thread, elsewhere, would look that up.
func (n *Node) inNetwork(address string, fn func() error) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if net.ParseIP(host) == nil {
		return fmt.Errorf("address %q on %s: must be an IP address and a port", address, n.Name)
	}
	init, ok := n.init()
	if !ok {
		return fmt.Errorf("%s is off", n.Name)
	}
	return inNamespaces(init, unix.CLONE_NEWNET, fn)
}
