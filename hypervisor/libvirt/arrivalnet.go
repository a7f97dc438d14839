package libvirt

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	lv "libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/policy"
)

// nic is a network interface of this host.
type nic struct {
	exists, bridge bool
	mtu            int
}

// network is one of libvirt's networks.
type network struct {
	exists, active bool
	portGroups     []string
}

// networksSeen asks that every network interface of the guest finds here what
// it is connected to, and that nothing on the way takes smaller packets than
// the guest sends.
func networksSeen(a *arrival) finding {
	if a.dom.Devices == nil {
		return finding{}
	}
	missing := func(format string, args ...any) finding { return because(policy.NetworkMissing, format, args...) }
	for _, i := range a.dom.Devices.Interfaces {
		if i.Source == nil {
			continue
		}
		switch src := i.Source; {
		case src.Bridge != nil:
			l := a.site.links[src.Bridge.Bridge]
			switch {
			case !l.exists:
				return missing("there is no bridge %s here", src.Bridge.Bridge)
			case !l.bridge && !openVSwitch(i):
				return missing("%s is not a bridge here", src.Bridge.Bridge)
			case i.MTU != nil && l.mtu > 0 && int(i.MTU.Size) > l.mtu:
				return missing("bridge %s takes packets of %d bytes here and the guest sends %d", src.Bridge.Bridge, l.mtu, i.MTU.Size)
			}
		case src.Direct != nil:
			if !a.site.links[src.Direct.Dev].exists {
				return missing("there is no interface %s here", src.Direct.Dev)
			}
		case src.Network != nil:
			n := a.site.networks[src.Network.Network]
			switch {
			case !n.exists:
				return missing("libvirt has no network %s here", src.Network.Network)
			case !n.active:
				return missing("network %s is not active here", src.Network.Network)
			case src.Network.PortGroup != "" && !slices.Contains(n.portGroups, src.Network.PortGroup):
				return missing("network %s has no port group %s here", src.Network.Network, src.Network.PortGroup)
			}
		}
	}
	return finding{}
}

// openVSwitch reports a port of Open vSwitch, whose bridges the kernel does
// not know as bridges.
func openVSwitch(i libvirtxml.DomainInterface) bool {
	return i.VirtualPort != nil && i.VirtualPort.Params != nil && i.VirtualPort.Params.OpenVSwitch != nil
}

// HasNetwork says whether domains can be connected to a network of that name
// here: an active one of libvirt's, or an interface of the host, which may be a
// bridge of the kernel's or of Open vSwitch, or one for macvtap.
func (h *Hypervisor) HasNetwork(ctx context.Context, name string) (bool, error) {
	s, err := h.control.current()
	if err != nil {
		return false, fmt.Errorf("look for network %s: %w", name, err)
	}
	t := task{what: "look for network " + name, limit: h.opts.CallDeadline}
	n, err := call(ctx, h.calls, t, func() (network, error) { return readNetwork(s.conn.lv, name) })
	if err != nil {
		return false, fmt.Errorf("look for network %s: %w", name, err)
	}
	_, err = net.InterfaceByName(name)
	return n.active || err == nil, nil
}

// readLinks looks for the interfaces that a domain names.
func readLinks(d *libvirtxml.Domain) map[string]nic {
	links := make(map[string]nic)
	if d.Devices == nil {
		return links
	}
	for _, i := range d.Devices.Interfaces {
		var name string
		switch {
		case i.Source == nil:
		case i.Source.Bridge != nil:
			name = i.Source.Bridge.Bridge
		case i.Source.Direct != nil:
			name = i.Source.Direct.Dev
		}
		if dev, err := net.InterfaceByName(name); name != "" && err == nil {
			_, err := os.Stat(filepath.Join("/sys/class/net", filepath.Base(dev.Name), "bridge"))
			links[name] = nic{exists: true, bridge: err == nil, mtu: dev.MTU}
		}
	}
	return links
}

// readNetworks asks libvirt for the networks that a domain names.
func readNetworks(c *lv.Connect, d *libvirtxml.Domain) (map[string]network, error) {
	networks := make(map[string]network)
	if d.Devices == nil {
		return networks, nil
	}
	for _, i := range d.Devices.Interfaces {
		if i.Source == nil || i.Source.Network == nil {
			continue
		}
		name := i.Source.Network.Network
		if _, known := networks[name]; known {
			continue
		}
		n, err := readNetwork(c, name)
		if err != nil {
			return nil, err
		}
		networks[name] = n
	}
	return networks, nil
}

func readNetwork(c *lv.Connect, name string) (network, error) {
	var n network
	net, err := c.LookupNetworkByName(name)
	if err != nil {
		if hasCode(err, lv.ERR_NO_NETWORK) || noSupport(err) {
			return n, nil
		}
		return n, err
	}
	defer func() { _ = net.Free() }()
	if n.active, err = net.IsActive(); err != nil {
		return n, err
	}
	desc, err := net.GetXMLDesc(0)
	if err != nil {
		return n, err
	}
	var parsed struct {
		PortGroups []struct {
			Name string `xml:"name,attr"`
		} `xml:"portgroup"`
	}
	if err := xml.Unmarshal([]byte(desc), &parsed); err != nil {
		return n, err
	}
	for _, g := range parsed.PortGroups {
		n.portGroups = append(n.portGroups, g.Name)
	}
	n.exists = true
	return n, nil
}
