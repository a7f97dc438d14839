package libvirt

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// libvirtPorts are where a libvirtd listens, by the transport in a URI.
var libvirtPorts = map[string]string{"tls": "16514", "tcp": "16509", "ssh": "22", "libssh": "22", "libssh2": "22"}

// dataURI is where the guest's memory goes: to the host that the connection
// URI names. Without it the target would name itself, by whatever its name
// resolves to on the source. Empty for a URI without a host.
func dataURI(connection string) string {
	u, err := url.Parse(connection)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host := u.Hostname()
	if strings.Contains(host, ":") { // IPv6
		host = "[" + host + "]"
	}
	return "tcp://" + host
}

// libvirtAddress is host:port of the libvirtd that a URI names, empty for one
// that is not reached by TCP.
func libvirtAddress(connection string) string {
	u, err := url.Parse(connection)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	_, transport, plus := strings.Cut(u.Scheme, "+")
	if !plus {
		transport = "tls" // the default with a host
	}
	port := u.Port()
	if port == "" {
		port = libvirtPorts[transport]
	}
	if port == "" {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// probe connects to the target's libvirtd and hangs up.
func probe(ctx context.Context, connection string, limit time.Duration) error {
	address := libvirtAddress(connection)
	if limit <= 0 || address == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("libvirt of the target is not reachable: %w", err)
	}
	return c.Close()
}
