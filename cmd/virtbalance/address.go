package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/config"
)

// address is what the other hosts are to be told, if it has to be written down,
// and all addresses of this host.
func (b *bootstrap) address() (netip.AddrPort, []netip.Addr, error) {
	port := config.Default().Gossip.Listen.Port()
	if b.advertise != "" {
		a, err := netip.ParseAddr(b.advertise)
		if err != nil || a.IsUnspecified() || a.Zone() != "" {
			return netip.AddrPort{}, nil, usageError{fmt.Errorf("--advertise %q is not an IP address of this host, such as 192.0.2.10", b.advertise)}
		}
		return netip.AddrPortFrom(a, port), nil, nil
	}
	all, err := addresses()
	if err != nil {
		return netip.AddrPort{}, nil, fmt.Errorf("list the addresses of this host: %w; give one with --advertise", err)
	}
	a, err := advertised(all, routedFrom(b.others))
	if err != nil || !a.IsValid() {
		return netip.AddrPort{}, all, err
	}
	return netip.AddrPortFrom(a, port), all, nil
}

// advertised chooses the address to write down; none, where the daemon can find
// nothing else by itself. routed is the one that the routes prefer, if any.
func advertised(all []netip.Addr, routed netip.Addr) (netip.Addr, error) {
	switch {
	case routed.IsValid() && len(all) == 1:
		return netip.Addr{}, nil
	case routed.IsValid():
		return routed, nil
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return netip.Addr{}, fmt.Errorf("this host has no address but the loopback's; give the one that it will have with --advertise")
	}
	var names []string
	for _, a := range all {
		names = append(names, a.String())
	}
	return netip.Addr{}, fmt.Errorf("at which address the other hosts reach this one cannot be told, for it has no default route; give one of %s with --advertise", strings.Join(names, ", "))
}

// addresses are those of this host that others could know.
func addresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if addr := p.Addr().Unmap(); err == nil && addr.IsGlobalUnicast() {
			found = append(found, addr)
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found), nil
}

// routedFrom asks the kernel's routes, as the daemon does, for the address from
// which this host would reach the first of others that resolves, or else the
// world; the zero Addr if there is no such route. No packet is sent to them.
func routedFrom(others []string) netip.Addr {
	const world = "192.0.2.1" // a documentation address (RFC 5737): routed like any other, owned by nobody
	for _, host := range append(slices.Clip(others), world) {
		conn, err := net.DialTimeout("udp", net.JoinHostPort(strings.Trim(host, "[]"), "9"), time.Second)
		if err != nil {
			continue
		}
		local, ok := conn.LocalAddr().(*net.UDPAddr)
		_ = conn.Close() // nothing was sent
		if addr := local.AddrPort().Addr().Unmap(); ok && addr.IsGlobalUnicast() {
			return addr
		}
	}
	return netip.Addr{}
}
